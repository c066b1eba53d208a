/** MindFormers' tools for weights under their own names: `troupe convert`, `split`, `resplit` and `merge`. */
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { WEIGHT_PRECISIONS } from "../../model/weights-manifest.ts";
import type { CommandSpec } from "../command-spec.ts";
import { convertCommand } from "../convert-command.ts";
import { FlagValues } from "../flag-values.ts";
import { mergeCommand } from "../merge-command.ts";
import { splitCommand } from "../split-command.ts";
import { OTHER_SYSTEMS, oldFlag, oneOf, withoutEffect } from "./old-flags.ts";

/** One file there, a folder here, because the tokenizer and the configuration travel along. */
function asFolder(path: string): string {
  return path.replace(/\.ckpt$/, "");
}

export const convertWeightCommand: CommandSpec = {
  name: "convert_weight",
  group: OTHER_SYSTEMS,
  summary: "MindFormers' conversion of weights: troupe convert",
  description:
    "Writes weights in another precision. The result is a folder (a name that ends in .ckpt loses that), which every\n" +
    "command here reads; the architecture is read from config.json. Back-conversion is the same with floats.",
  flags: [
    ...withoutEffect("model"),
    oldFlag("input_path", "text", "folder", "the Hugging Face checkpoint"),
    oldFlag("output_path", "text", "folder", "where to write"),
    {
      ...oldFlag("dtype", "text", "name", "the precision (default: bf16)"),
      choices: WEIGHT_PRECISIONS,
    },
    { flags: "--reversed", kind: "switch", description: "accepted: there is one format both ways" },
  ],
  examples: [
    {
      line: "troupe convert_weight --model llama --input_path ./llama --output_path ./llama-bf16 --dtype bf16",
      does: "as in its documentation",
    },
  ],
  run(context, flags) {
    const given = new Map<string, unknown>([
      ["--model", oneOf(flags, "convert_weight", "--input_path")],
      ["--output", asFolder(oneOf(flags, "convert_weight", "--output_path"))],
      ["--precision", flags.text("--dtype") ?? "bf16"],
    ]);
    return convertCommand.run(context, new FlagValues(given), []);
  },
};

export const modelConvertCommand: CommandSpec = {
  name: "model_convert",
  group: OTHER_SYSTEMS,
  summary: "br-vllm-serving's conversion: troupe convert to w8",
  description:
    "Writes a model with 8-bit weights into a folder of its name below --output_dir, for model_file of a configuration\n" +
    "without cached_dir. Folders of Hugging Face are served without it, too.",
  flags: [
    oldFlag("model_name", "text", "name", "the name of the new folder"),
    oldFlag("model_dir", "text", "folder", "the Hugging Face checkpoint"),
    oldFlag("output_dir", "text", "folder", "where the new folder is made"),
  ],
  examples: [
    {
      line: "troupe model_convert --model_name models--Qwen--Qwen2-72B --model_dir ./Qwen2-72B --output_dir ./",
      does: "as in its documentation",
    },
  ],
  run(context, flags) {
    const name = oneOf(flags, "model_convert", "--model_name");
    const given = new Map<string, unknown>([
      ["--model", oneOf(flags, "model_convert", "--model_dir")],
      ["--output", join(oneOf(flags, "model_convert", "--output_dir"), name)],
      ["--precision", "w8"],
    ]);
    return convertCommand.run(context, new FlagValues(given), []);
  },
};

export const transformCheckpointCommand: CommandSpec = {
  name: "transform_checkpoint",
  group: OTHER_SYSTEMS,
  summary: "MindFormers' cutting of weights: troupe split and merge",
  description:
    "Cuts whole or cut weights by --dst_strategy; without it, or with None, they are merged. Strategy files are those of\n" +
    "troupe split --only-save-strategy (docs/weights.md). How weights are cut now is read from their folder.",
  flags: [
    oldFlag("src_checkpoint", "text", "folder", "the weights to read"),
    oldFlag("src_ckpt_dir", "text", "folder", "the same"),
    oldFlag("dst_checkpoint_dir", "text", "folder", "where to write"),
    oldFlag("dst_ckpt_dir", "text", "folder", "the same"),
    oldFlag("dst_strategy", "text", "file", "how to cut"),
    oldFlag("dst_ckpt_strategy", "text", "file", "the same"),
    ...withoutEffect(
      "src_strategy",
      "src_ckpt_strategy",
      "prefix",
      "rank_id",
      "world_size",
      "transform_process_num",
      "transform_by_rank",
    ),
  ],
  examples: [
    {
      line: "troupe transform_checkpoint --src_checkpoint ./llama --dst_checkpoint_dir ./llama-tp2 --dst_strategy tp2.json",
      does: "from whole weights to shards",
    },
    {
      line: "troupe transform_checkpoint --src_checkpoint ./llama-tp2 --dst_checkpoint_dir ./llama",
      does: "and back",
    },
  ],
  run(context, flags) {
    const strategy = flags.text("--dst_strategy") ?? flags.text("--dst_ckpt_strategy") ?? "None";
    const given = new Map<string, unknown>([
      ["--model", oneOf(flags, "transform_checkpoint", "--src_checkpoint", "--src_ckpt_dir")],
      ["--output", oneOf(flags, "transform_checkpoint", "--dst_checkpoint_dir", "--dst_ckpt_dir")],
    ]);
    if (strategy === "None") return mergeCommand.run(context, new FlagValues(given), []);
    if (strategy.endsWith(".ckpt"))
      throw new TroupeError(
        "invalid_request",
        `--dst_strategy names ${strategy}, a strategy file of MindSpore; write one with troupe split --only-save-strategy`,
      );
    given.set("--strategy", strategy);
    return splitCommand.run(context, new FlagValues(given), []);
  },
};
