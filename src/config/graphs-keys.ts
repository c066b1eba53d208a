/** Keys, ranges and cross-checks of the section `graphs`: models that others exported to ONNX. */
import { z } from "../core/schema.ts";
import type { GraphsConfig } from "./config.ts";

const wholeNumber = (min: number, max: number) => z.int().min(min).max(max);
const name = z.string().min(1);
const file = name;
const files = z.array(file).max(64).readonly();
/** Sizes that graphs were built for. */
const buckets = (max: number) =>
  z
    .array(wholeNumber(1, max))
    .max(256)
    .refine((sizes) => sizes.every((size, i) => i === 0 || sizes[i - 1]! < size), "must ascend")
    .readonly();
const layerNames = name
  .refine(
    (text) => text.split("%d").length === 2,
    'must hold "%d" once, where the number of the layer stands',
  )
  .nullable();

/** Keys that are paths, or lists of paths. */
export const GRAPH_PATHS = ["prefill", "decode", "argmax", "topk", "inputModule"] as const;

/** The section's keys, each optional. */
export function graphsKeys(graphs: GraphsConfig) {
  return z.strictObject({
    prefill: files.default(graphs.prefill),
    decode: files.default(graphs.decode),
    argmax: file.nullable().default(graphs.argmax),
    topk: file.nullable().default(graphs.topk),
    seqLengths: buckets(1_048_576).default(graphs.seqLengths),
    prefillBatchSizes: buckets(4096).default(graphs.prefillBatchSizes),
    decodeBatchSizes: buckets(4096).default(graphs.decodeBatchSizes),
    actLengths: buckets(16_777_216).default(graphs.actLengths),
    padTokenId: wholeNumber(0, 2_147_483_647).default(graphs.padTokenId),
    vocabSize: wholeNumber(1, 16_777_216).nullable().default(graphs.vocabSize),
    eosTokenIds: z.array(wholeNumber(0, 2_147_483_647)).max(1024).readonly().default(graphs.eosTokenIds),
    inputModule: file.nullable().default(graphs.inputModule),
    basicInputs: name.default(graphs.basicInputs),
    extraInputs: name.nullable().default(graphs.extraInputs),
    warmupInputs: name.nullable().default(graphs.warmupInputs),
    pastKeys: layerNames.default(graphs.pastKeys),
    pastValues: layerNames.default(graphs.pastValues),
    presentKeys: layerNames.default(graphs.presentKeys),
    presentValues: layerNames.default(graphs.presentValues),
  });
}

/** What the keys want of each other. */
export function checkGraphs(graphs: GraphsConfig, problem: (path: string[], message: string) => void): void {
  const { prefill, decode, argmax, topk } = graphs;
  const here = (key: keyof GraphsConfig, message: string): void => problem(["graphs", key], message);
  if (decode.length > 0 && decode.length !== prefill.length) {
    here(
      "decode",
      `names ${count(decode.length)}, but graphs.prefill ${prefill.length}; both need one for each rank`,
    );
  }
  if (topk !== null && topk === argmax) here("topk", "is the file of graphs.argmax; name two graphs");
  const kvNames = ["pastKeys", "pastValues", "presentKeys", "presentValues"] as const;
  const unnamed = kvNames.filter((key) => graphs[key] === null);
  if (unnamed.length > 0 && unnamed.length < kvNames.length) {
    here(unnamed[0]!, `is needed too: set all of ${kvNames.join(", ")}, or none`);
  }
}

function count(numFiles: number): string {
  return numFiles === 1 ? "1 file" : `${numFiles} files`;
}
