/** `troupe convert`: weights in another precision. */
import { WEIGHT_PRECISIONS, type WeightPrecision } from "../model/weights-manifest.ts";
import type { CommandSpec } from "./command-spec.ts";
import { required, runWeights, weightsFlags } from "./weights-flags.ts";

export const convertCommand: CommandSpec = {
  name: "convert",
  summary: "write a model's weights in another precision",
  description:
    "Writes a new folder with the weights as fp32, bf16, fp16, w8, w4 or w4g128 and everything else that belongs to the\n" +
    "model. The folder may be converted already: quantised weights go back to floats. Interrupted, the same command goes on.",
  flags: [
    ...weightsFlags,
    {
      flags: "-p, --precision <name>",
      kind: "text",
      choices: WEIGHT_PRECISIONS,
      description: "what to convert to",
    },
  ],
  examples: [
    { line: "troupe convert --model ./llama --precision w8 --output ./llama-w8", does: "to 8-bit weights" },
    {
      line: "troupe convert --model ./llama-w8 --precision bf16 --output ./llama-bf16",
      does: "back to floats, as near as 8 bits allow",
    },
  ],
  async run(context, flags) {
    const precision = required(flags, "--precision", "convert") as WeightPrecision;
    const verb = `Converting to ${precision}:`;
    return await runWeights(context, flags, {
      command: "convert",
      verb,
      work: { kind: "convert", precision },
    });
  },
};
