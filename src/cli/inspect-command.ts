/** `troupe inspect`: what a model folder is and what serving it takes. */
import { resolve } from "node:path";
import { embeddedModelPath } from "../config/embedded-model.ts";
import { byteText, countText } from "./byte-text.ts";
import { EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { ModelSummary } from "./services.ts";

export const inspectCommand: CommandSpec = {
  name: "inspect",
  summary: "show what a model folder holds and takes",
  description:
    "Reads a Hugging Face folder and prints its architecture, its sizes, the memory it takes in each precision, and\n" +
    "whether it can be served. Nothing is compiled or loaded.",
  positional: { name: "[folder]", description: "the folder (default: the embedded model)" },
  flags: [{ flags: "--json", kind: "switch", description: "one JSON object instead of a table" }],
  examples: [
    { line: "troupe inspect ~/models/llama", does: "its sizes, and whether it can be served" },
    { line: "troupe inspect ~/models/llama --json", does: "for a program" },
  ],
  async run(context, flags, positional) {
    const [folder] = positional;
    const modelDir = folder === undefined ? embeddedModelPath() : resolve(context.cwd, folder);
    const summary = await context.services.inspect(modelDir);
    await write(context.stdout, flags.has("--json") ? `${JSON.stringify(summary)}\n` : table(summary));
    return summary.unsupported === null ? EXIT.ok : EXIT.failed;
  },
};

function table(summary: ModelSummary): string {
  const { precisionBytes, numHeads, numKvHeads, headDim } = summary;
  const rows: readonly (readonly [string, string])[] = [
    ["Folder", summary.folder],
    ["Architecture", summary.architecture],
    ["Can be served", summary.unsupported === null ? "yes" : `no: ${summary.unsupported}`],
    ["Parameters", countText(summary.numParameters)],
    ["Layers", `${summary.numLayers}, hidden size ${summary.hiddenSize}`],
    ["Attention", `${numHeads} query heads, ${numKvHeads} KV heads of ${headDim}`],
    ["Vocabulary", `${summary.vocabSize} tokens`],
    ["Context", `${summary.maxPositions} tokens`],
    ["Tokenizer", summary.hasTokenizer ? "yes" : "none; serve it with --skip-tokenizer-init"],
    ["Chat template", summary.hasChatTemplate ? "yes" : "no"],
    ["Checkpoint", byteText(summary.checkpointBytes)],
    [
      "Weights in memory",
      Object.entries(precisionBytes)
        .map(([name, size]) => `${name} ${byteText(size)}`)
        .join(", "),
    ],
    [
      "KV per token",
      `${byteText(summary.kvBytesPerToken)} (${byteText(summary.kvBytesPerToken * summary.maxPositions)} for a full context)`,
    ],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}
