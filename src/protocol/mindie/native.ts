/** MindIE's own dialect: `POST /infer` and `/infer_token`, with a text or token ids. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Prompt } from "../engine.ts";
import type { AnswerPiece, MindieFormat, MindieResult } from "./mindie-answers.ts";
import { type MindieOptions, type MindieRequest, parameterName } from "./mindie-request.ts";
import { generationShape, readGeneration, schedulingShape } from "./parameters.ts";

const schema = z.strictObject({
  inputs: z.string().min(1).optional(),
  input_id: z.array(z.int().min(0)).min(1).optional(),
  stream: z.boolean().nullish(),
  parameters: z.strictObject({ ...generationShape, ...schedulingShape }).nullish(),
});

/** @throws TroupeError `invalid_request`, `unsupported`, naming the field */
export function readNativeRequest(body: unknown, options: MindieOptions): MindieRequest {
  const wire = parse(schema, body, { code: "invalid_request", what: "request body" });
  const given = wire.parameters ?? {};
  const seed = given.seed ?? options.newSeed();
  return {
    prompt: readPrompt(wire.inputs, wire.input_id),
    fields: readGeneration({ ...given, seed }),
    isStreamed: wire.stream ?? false,
    format: new NativeFormat(given.details ?? false, seed, options.fullText),
    nameField: parameterName,
    ...(given.timeout != null && { timeoutMs: given.timeout * 1000 }),
  };
}

function readPrompt(text: string | undefined, ids: readonly number[] | undefined): Prompt {
  if (text !== undefined && ids === undefined) return { kind: "text", text };
  if (text === undefined && ids !== undefined) return { kind: "ids", ids };
  const what = text === undefined ? "is missing, and so is" : "cannot be there together with";
  throw new TroupeError("invalid_request", `"inputs" ${what} "input_id"; send one of them.`, {
    details: { param: "inputs" },
  });
}

class NativeFormat implements MindieFormat {
  readonly #showsDetails: boolean;
  readonly #seed: number;
  readonly #fullText: boolean;

  constructor(showsDetails: boolean, seed: number, fullText: boolean) {
    this.#showsDetails = showsDetails;
    this.#seed = seed;
    this.#fullText = fullText;
  }

  piece({ text, tokenIds, whole, finishReason, prefillMs, decodeMs }: AnswerPiece): string {
    const id = tokenIds.at(-1) ?? null;
    const times = { prefill_time: prefillMs, decode_time: decodeMs };
    if (finishReason === null)
      return this.failure({ ...times, token: { id, text: this.#fullText ? whole.text : text } });
    const details = this.#showsDetails
      ? { finish_reason: finishReason, generated_tokens: whole.tokenIds.length, seed: this.#seed }
      : null;
    return this.failure({ ...times, generated_text: whole.text, details, token: { id, text: null } });
  }

  whole({ answers }: MindieResult): object {
    const { text, tokenIds, finishReason } = answers[0]!;
    if (!this.#showsDetails) return { generated_text: text };
    const details = {
      finish_reason: finishReason,
      generated_tokens: tokenIds.length,
      generated_token_ids: tokenIds,
      seed: this.#seed,
    };
    return { generated_text: text, details };
  }

  failure(body: object): string {
    return `data: ${JSON.stringify(body)}\n\n`;
  }
}
