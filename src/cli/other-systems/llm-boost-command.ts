/** MindFormers' run_llm_boost.py: a checkpoint and an input, one answer or a whole batch of it; its sampling flags act. */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { TroupeConfig } from "../../config/config.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Engine } from "../../protocol/engine.ts";
import { type CliContext, EXIT, write } from "../cli-context.ts";
import type { CommandSpec, FlagSpec } from "../command-spec.ts";
import { configFromFlags } from "../config-flags.ts";
import { withEngine } from "../engine-session.ts";
import type { FlagValues } from "../flag-values.ts";
import { measureThroughput } from "./measure-throughput.ts";
import {
  booleanOf,
  givenWithoutEffect,
  OTHER_SYSTEMS,
  oldBoolean,
  oldFlag,
  withoutEffect,
} from "./old-flags.ts";

const FLAGS: readonly FlagSpec[] = [
  oldFlag("config_path", "text", "file", "its YAML file; flags win over it"),
  oldFlag("config", "text", "file", "the same"),
  oldFlag("load_checkpoint", "text", "folder", "a Hugging Face checkpoint, or a folder of shards"),
  oldFlag("predict_data", "text", "text", "the input"),
  oldFlag("seq_length", "number", "n", "tokens of prompt and answer"),
  oldFlag("max_decode_length", "number", "n", "tokens of prompt and answer; at most seq_length"),
  oldFlag("batch_size", "number", "n", "answers to the same input (default: 1)"),
  oldBoolean("use_parallel", "split the model over device_num ranks"),
  oldFlag("device_num", "number", "n", "ranks"),
  oldBoolean("do_sample", "draw instead of taking the likeliest token (default: False)"),
  oldFlag("top_k", "number", "n", "draw from this many (default: 1)"),
  oldFlag("top_p", "number", "x", "draw from this share (default: 1)"),
  oldFlag("repetition_penalty", "number", "x", "default: 1"),
  oldBoolean(
    "only_save_strategy",
    "write output/strategy/strategy.json for device_num ranks, and nothing else",
  ),
  oldBoolean("measure_throughput", "print tokens per second for batches of 1 and 4 and growing lengths"),
  oldFlag("save_file", "text", "file", "write the answers here too"),
  ...withoutEffect("vocab_file", "merges_file", "device_id"),
];

export const runLlmBoostCommand: CommandSpec = {
  name: "run_llm_boost",
  group: OTHER_SYSTEMS,
  summary: "MindFormers llm_boost's offline inference",
  description:
    "Answers an input with a checkpoint, as run_llm_boost.py does. The tokenizer's files are those of the checkpoint.",
  flags: FLAGS,
  examples: [
    {
      line: 'troupe run_llm_boost --predict_data "Once upon a time" --load_checkpoint ./qwen2 --use_parallel False --batch_size 4',
      does: "as in its documentation",
    },
    {
      line: "troupe run_llm_boost --only_save_strategy True --load_checkpoint ./qwen2 --use_parallel True --device_num 2",
      does: "the strategy for two ranks (docs/weights.md)",
    },
  ],
  async run(context, flags) {
    if (booleanOf(flags, "--only_save_strategy", false)) return await saveStrategy(context, flags);
    const config = readConfig(context, flags);
    const given = [...config.origin.noEffect, ...givenWithoutEffect(flags, FLAGS)];
    if (given.length > 0) await write(context.stderr, `Without effect here: ${given.join(", ")}.\n`);
    return await withEngine(context, config, async (engine) => {
      if (booleanOf(flags, "--measure_throughput", false)) await measureThroughput(context.stdout, engine);
      else await answer(context, flags, engine);
      return EXIT.ok;
    });
  },
};

function readConfig(context: CliContext, flags: FlagValues): TroupeConfig {
  const seqLength = flags.number("--seq_length");
  const decodeLength = flags.number("--max_decode_length");
  if (seqLength !== undefined && decodeLength !== undefined && seqLength < decodeLength)
    throw new TroupeError(
      "invalid_request",
      `--seq_length is ${seqLength}, less than --max_decode_length (${decodeLength}); raise it, or lower that`,
    );
  const isParallel = booleanOf(flags, "--use_parallel", false);
  const file = flags.text("--config_path") ?? flags.text("--config");
  const path = flags.text("--load_checkpoint");
  if (file === undefined && path === undefined)
    throw new TroupeError("invalid_request", "run_llm_boost needs --config_path or --load_checkpoint");
  return configFromFlags(context, file === undefined ? flags : flags.with("--config", file), {
    defaults: { log: { level: "warn" } },
    forced: {
      ...(path !== undefined && { model: { path: resolve(context.cwd, path) } }),
      engine: {
        ...lengthKey(decodeLength ?? seqLength),
        ...(flags.has("--use_parallel") && {
          tensorParallel: isParallel ? (flags.number("--device_num") ?? 1) : 1,
        }),
      },
    },
  });
}

function lengthKey(maxModelLen: number | undefined) {
  return maxModelLen === undefined ? {} : { maxModelLen };
}

async function saveStrategy(context: CliContext, flags: FlagValues): Promise<number> {
  const path = flags.text("--load_checkpoint");
  if (path === undefined)
    throw new TroupeError(
      "invalid_request",
      "--only_save_strategy needs --load_checkpoint, the checkpoint to cut",
    );
  const strategy = await context.services.planStrategy(
    resolve(context.cwd, path),
    flags.number("--device_num") ?? 1,
  );
  const folder = join(context.cwd, "output", "strategy");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "strategy.json"), strategy);
  await write(context.stdout, `Written: ${join("output", "strategy", "strategy.json")}\n`);
  return EXIT.ok;
}

async function answer(context: CliContext, flags: FlagValues, engine: Engine): Promise<void> {
  const input = flags.text("--predict_data");
  if (input === undefined)
    throw new TroupeError("invalid_request", "run_llm_boost needs --predict_data, the input");
  const { continueTexts } = await import("../../offline/continue-texts.ts");
  const inputs = Array.from({ length: flags.number("--batch_size") ?? 1 }, () => input);
  const texts = await continueTexts(engine, inputs, {
    doSample: booleanOf(flags, "--do_sample", false),
    topK: flags.number("--top_k") ?? 1,
    topP: flags.number("--top_p") ?? 1,
    repetitionPenalty: flags.number("--repetition_penalty") ?? 1,
    addSpecialTokens: true,
    maxLength: engine.info.maxModelLen,
  });
  const all = texts.map((text) => `${text}\n`).join("");
  await write(context.stdout, all);
  const file = flags.text("--save_file");
  if (file !== undefined) await writeFile(resolve(context.cwd, file), all);
}
