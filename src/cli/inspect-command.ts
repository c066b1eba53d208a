/** `troupe inspect`: what a model folder is and what serving it takes. */
import { basename, resolve } from "node:path";
import { embeddedModelPath } from "../config/embedded-model.ts";
import { byteText, countText } from "./byte-text.ts";
import { EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { GraphSizes, ModelSizes, ModelSummary } from "./services.ts";

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
  const { sizes } = summary;
  const rows: readonly (readonly [string, string])[] = [
    ["Folder", summary.folder],
    ["Architecture", summary.architecture],
    ["Can be served", summary.unsupported === null ? "yes" : `no: ${summary.unsupported}`],
    ["Tokenizer", summary.hasTokenizer ? "yes" : "none; serve it with --skip-tokenizer-init"],
    ["Chat template", summary.hasChatTemplate ? "yes" : "no"],
    ["Checkpoint", byteText(summary.checkpointBytes)],
    ...(sizes === null ? [] : sizeRows(sizes)),
    ...(summary.graphs === undefined ? [] : graphRows(summary.graphs)),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

function sizeRows(sizes: ModelSizes): readonly (readonly [string, string])[] {
  const { numHeads, numKvHeads, headDim, kvBytesPerToken, maxPositions } = sizes;
  const weights = Object.entries(sizes.precisionBytes).map(
    ([precision, size]) => `${precision} ${byteText(size)}`,
  );
  return [
    ["Parameters", countText(sizes.numParameters)],
    ["Layers", `${sizes.numLayers}, hidden size ${sizes.hiddenSize}`],
    ["Attention", `${numHeads} query heads, ${numKvHeads} KV heads of ${headDim}`],
    ["Vocabulary", `${sizes.vocabSize} tokens`],
    ["Context", `${maxPositions} tokens`],
    ["Weights, compiled", weights.join(", ")],
    ...kvRows(kvBytesPerToken, maxPositions),
  ];
}

function graphRows(graphs: GraphSizes): readonly (readonly [string, string])[] {
  const { files, numLayers, numKvHeads, headDim, vocabSize, maxPositions, kvBytesPerToken } = graphs;
  return [
    ["Graphs", `${files.map((file) => basename(file)).join(", ")}, run as they are`],
    ["Layers", `${numLayers}`],
    ["Attention", `${numKvHeads} KV heads of ${headDim}`],
    ["Vocabulary", `${vocabSize} tokens`],
    ["Context", `${maxPositions} tokens`],
    ...kvRows(kvBytesPerToken, maxPositions),
  ];
}

function kvRows(
  bytesPerToken: ModelSizes["kvBytesPerToken"],
  maxPositions: number,
): readonly (readonly [string, string])[] {
  const byType = (numTokens: number): string =>
    Object.entries(bytesPerToken)
      .map(([kvDtype, size]) => `${kvDtype} ${byteText(size * numTokens)}`)
      .join(", ");
  return [
    ["KV per token", byType(1)],
    ["KV, full context", byType(maxPositions)],
  ];
}
