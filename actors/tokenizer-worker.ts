/**
 * The module that the workers of the tokenizer pool run: message in, TextModel, message out. No request's state lives
 * here. A model folder that cannot be loaded is reported by every task, so the pool itself always starts.
 */
import { workerData } from "node:worker_threads";
import type { PromptCut } from "../src/core/cut-ids.ts";
import { parse, z } from "../src/core/schema.ts";
import { task } from "../src/hosts/task-result.ts";
import type { Prompt } from "../src/protocol/engine.ts";
import type { PositionLogprobs } from "../src/sampling/sampling-params.ts";
import type { TextParams } from "../src/text/output-stream.ts";
import { type AdvanceItem, TextModel } from "../src/text/text-model.ts";
import type { DecodeOptions, EncodeOptions } from "../src/text/tokenizer.ts";

/** What the pool's `workerData` must be. */
export interface TokenizerWorkerData {
  readonly modelDir: string;
  /** A prompt that is sure to have more is refused unread. */
  readonly maxPromptTokens: number;
}

const data = parseWorkerData();
const model = TextModel.load(data.modelDir);
// Every task awaits it and reports the failure; without this line an idle worker would die of it.
model.catch(() => undefined);

function parseWorkerData(): TokenizerWorkerData {
  const schema = z.object({ modelDir: z.string(), maxPromptTokens: z.int().min(1) });
  return parse(schema, workerData, { code: "internal", what: "workerData of the tokenizer pool" });
}

export const info = task(async (_: null) => (await model).info);

export const vocabulary = task(async (_: null) => (await model).vocabulary());

export const encodeBatch = task(async (input: EncodeOptions & { readonly texts: readonly string[] }) =>
  (await model).encodeBatch(input.texts, input),
);

export const decode = task(async (input: DecodeOptions & { readonly ids: readonly number[] }) =>
  (await model).decode(input.ids, input),
);

export const tokenize = task(async (prompt: Exclude<Prompt, { kind: "ids" }>) =>
  (await model).tokenize(prompt),
);

export const prepare = task(
  async (input: {
    readonly prompt: Prompt;
    readonly params: TextParams;
    readonly cuts: readonly PromptCut[];
  }) => (await model).prepare(input.prompt, input.params, data.maxPromptTokens, input.cuts),
);

export const advanceAll = task(async (items: readonly AdvanceItem[]) => (await model).advanceAll(items));

export const textLogprobs = task(async (positions: readonly (PositionLogprobs | null)[]) =>
  (await model).textLogprobs(positions),
);
