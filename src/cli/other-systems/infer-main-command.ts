/** MindSpore Lite's run_infer_main.py: one prompt, or a prompt on each line until `exit`, continued by graphs or a folder. */

import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { TextGenerationOptions } from "../../offline/continue-texts.ts";
import type { InferOverrides } from "../../offline/find-infer-config.ts";
import type { InferConfig } from "../../offline/infer-config.ts";
import type { Engine } from "../../protocol/engine.ts";
import { type CliContext, EXIT, write } from "../cli-context.ts";
import type { CommandSpec, FlagSpec } from "../command-spec.ts";
import { withEngine } from "../engine-session.ts";
import type { FlagValues } from "../flag-values.ts";
import {
  booleanOf,
  givenWithoutEffect,
  OTHER_SYSTEMS,
  oldBoolean,
  oldFlag,
  withoutEffect,
} from "./old-flags.ts";

const FLAGS: readonly FlagSpec[] = [
  oldFlag(
    "model_dir",
    "text",
    "folder",
    "a folder with graphs and one YAML file, or a Hugging Face checkpoint",
  ),
  oldFlag("prefill_model_path", "text", "file", "the ONNX graph for whole prompts, or a model's folder"),
  oldFlag("increment_model_path", "text", "file", "the ONNX graph for one more token"),
  oldFlag("model_name", "text", "name", "chooses the inputs of the graphs (default: common)"),
  oldFlag("tokenizer_path", "text", "folder", "the tokenizer's files (default: those of the model)"),
  oldFlag("seq_length", "number", "n", "tokens of prompt and answer (default: 2048)"),
  oldBoolean("dynamic", "the graphs take any length"),
  oldFlag("max_length", "number", "n", "tokens of prompt and answer (default: 512)"),
  oldFlag("max_output_length", "number", "n", "tokens of the answer; wins over max_length"),
  oldBoolean("do_sample", "draw instead of taking the likeliest token (default: False)"),
  oldFlag("top_k", "number", "n", "draw from this many (default: 1)"),
  oldFlag("top_p", "number", "x", "draw from this share (default: 1)"),
  oldFlag("temperature", "number", "x", "default: 1"),
  oldFlag("repetition_penalty", "number", "x", "default: 1"),
  oldFlag("prompt", "text", "form", "what goes around each input, with {} in its place"),
  oldBoolean("add_special_tokens", "the tokenizer adds its special tokens (default: False)"),
  oldBoolean("stream", "print the text as it comes (default: False)"),
  oldFlag("predict_data", "text", "text", "the input; without it, inputs are read line by line until exit"),
  oldFlag("batch_size", "number", "n", "continue the input so many times at once (default: 1)"),
  oldFlag("generated_time", "number", "n", "and so many times one after the other (default: 1)"),
  ...withoutEffect("device_id", "rank_id", "config_path", "is_sample_acceleration", "distributed"),
];

export const runInferMainCommand: CommandSpec = {
  name: "run_infer_main",
  group: OTHER_SYSTEMS,
  summary: "MindSpore Lite's offline inference",
  description:
    "Continues texts with a pair of ONNX graphs, or with a model's folder, as run_infer_main.py does with MindIR graphs.\n" +
    "Reads inputs line by line until `exit`, unless --predict_data has one.",
  flags: FLAGS,
  examples: [
    {
      line: "troupe run_infer_main --device_id 0 --model_name bloom --prefill_model_path prefill.onnx --increment_model_path decode.onnx",
      does: "as in its documentation",
    },
    {
      line: 'troupe run_infer_main --model_dir ./llama --predict_data "I love Beijing, because" --stream True',
      does: "a checkpoint, and one input",
    },
  ],
  async run(context, flags) {
    const config = await readConfig(context, flags);
    await sayWithoutEffect(context, flags);
    const folder = flags.text("--tokenizer_path");
    const troupe = config.toTroupeConfig(folder === undefined ? undefined : resolve(context.cwd, folder));
    return await withEngine(context, troupe, (engine) => continueInputs(context, flags, engine));
  },
};

async function readConfig(context: CliContext, flags: FlagValues): Promise<InferConfig> {
  const { findInferConfig } = await import("../../offline/find-infer-config.ts");
  const at = (path: string): string => resolve(context.cwd, path);
  const prefill = flags.text("--prefill_model_path");
  const increment = flags.text("--increment_model_path");
  const folder = flags.text("--model_dir");
  const overrides: InferOverrides = {
    inferSeqLength: flags.number("--seq_length") ?? 2048,
    ...(flags.has("--model_name") && { modelName: flags.text("--model_name")! }),
    ...(flags.has("--dynamic") && { dynamic: booleanOf(flags, "--dynamic", false) }),
  };
  if (folder !== undefined) return findInferConfig(at(folder), overrides, context.cwd);
  if (prefill === undefined)
    throw new TroupeError(
      "invalid_request",
      "run_infer_main needs --model_dir or --prefill_model_path; troupe run_infer_main --help explains",
    );
  const model = increment === undefined ? at(prefill) : ([at(prefill), at(increment)] as const);
  return findInferConfig(model, overrides, context.cwd);
}

async function sayWithoutEffect(context: CliContext, flags: FlagValues): Promise<void> {
  const given = givenWithoutEffect(flags, FLAGS);
  if (given.length > 0) await write(context.stderr, `Flags that have no effect here: ${given.join(", ")}.\n`);
}

async function continueInputs(context: CliContext, flags: FlagValues, engine: Engine): Promise<number> {
  const input = flags.text("--predict_data");
  if (input !== undefined) {
    for (let time = 0; time < (flags.number("--generated_time") ?? 1); time++)
      await continueOne(context, flags, engine, input);
    return EXIT.ok;
  }
  const lines = createInterface({ input: context.stdin });
  for await (const line of lines) {
    if (line.trim() === "exit") break;
    if (line.trim() !== "") await continueOne(context, flags, engine, line);
  }
  return EXIT.ok;
}

async function continueOne(
  context: CliContext,
  flags: FlagValues,
  engine: Engine,
  input: string,
): Promise<void> {
  const { continueTexts } = await import("../../offline/continue-texts.ts");
  const text = flags.text("--prompt")?.replace("{}", () => input) ?? input;
  const options = callOptions(flags);
  if (!booleanOf(flags, "--stream", false)) {
    const inputs = Array.from({ length: flags.number("--batch_size") ?? 1 }, () => text);
    for (const whole of await continueTexts(engine, inputs, options))
      await write(context.stdout, `${whole}\n`);
    return;
  }
  const { TextIteratorStreamer } = await import("../../offline/text-streamer.ts");
  const streamer = new TextIteratorStreamer({ skipPrompt: true });
  const whole = continueTexts(engine, [text], { ...options, streamer });
  for await (const piece of streamer) await write(context.stdout, piece);
  await whole;
  await write(context.stdout, "\n");
}

function callOptions(flags: FlagValues): TextGenerationOptions {
  const number = (flag: string, option: keyof TextGenerationOptions) => {
    const value = flags.number(flag);
    return value === undefined ? {} : { [option]: value };
  };
  return {
    doSample: booleanOf(flags, "--do_sample", false),
    addSpecialTokens: booleanOf(flags, "--add_special_tokens", false),
    maxLength: flags.number("--max_length") ?? 512,
    ...number("--max_output_length", "maxNewTokens"),
    ...number("--top_k", "topK"),
    ...number("--top_p", "topP"),
    ...number("--temperature", "temperature"),
    ...number("--repetition_penalty", "repetitionPenalty"),
  };
}
