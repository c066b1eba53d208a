/** MindSpore Serving's post_sampling_model.py: the two graphs that choose tokens, for a vocabulary. */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { EXIT, write } from "../cli-context.ts";
import type { CommandSpec } from "../command-spec.ts";
import { OTHER_SYSTEMS, oldFlag, oneOf } from "./old-flags.ts";

export const postSamplingCommand: CommandSpec = {
  name: "post_sampling_model",
  group: OTHER_SYSTEMS,
  summary: "MindSpore Serving's argmax and topk graphs, as ONNX",
  description:
    "Writes argmax.onnx and topk.onnx, which choose tokens from logits (docs/onnx-models.md). troupe export writes them\n" +
    "beside a model's graphs too.",
  flags: [
    oldFlag("output_dir", "text", "folder", "where to write; made if need be"),
    oldFlag("vocab_size", "number", "n", "tokens of the vocabulary, as in the model's config.json"),
  ],
  examples: [
    {
      line: "troupe post_sampling_model --output_dir ./target_dir --vocab_size 32000",
      does: "for a vocabulary of Llama",
    },
  ],
  async run(context, flags) {
    const folder = resolve(context.cwd, oneOf(flags, "post_sampling_model", "--output_dir"));
    const vocabSize = flags.number("--vocab_size");
    if (vocabSize === undefined || !Number.isInteger(vocabSize) || vocabSize < 1)
      throw new TroupeError(
        "invalid_request",
        `--vocab_size is ${vocabSize ?? "missing"}; it must be the number of tokens, as in the model's config.json`,
      );
    const { argmaxGraph, topkGraph } = await import("../../model/export/post-sampling.ts");
    await mkdir(folder, { recursive: true });
    for (const [name, graph] of [
      ["argmax.onnx", argmaxGraph(vocabSize)],
      ["topk.onnx", topkGraph(vocabSize)],
    ] as const) {
      await writeFile(join(folder, name), graph);
      await write(context.stdout, `Written: ${join(folder, name)}\n`);
    }
    return EXIT.ok;
  },
};
