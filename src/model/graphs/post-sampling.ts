/** The graphs behind the logits, argmax and topk, from their headers; held against the model they are to serve. */
import type { GraphsConfig } from "../../config/config.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { type GraphHeader, type GraphValue, readGraphHeader } from "../onnx/graph-header.ts";
import { GRAPH_FLOATS, type GraphFloat } from "./graph-model.ts";

/** One graph: logits in, token ids out. Plain data. */
export interface PostSamplingGraph {
  readonly file: string;
  readonly logits: string;
  readonly logitsType: GraphFloat;
  /** Dimensions of the logits: [batch, vocab] or [batch, 1, vocab]. */
  readonly rank: 2 | 3;
  /** Rows it must be given at a time; null for any number. */
  readonly fixedRows: number | null;
  /** The input that divides the logits; null for none. */
  readonly temperature: GraphValue | null;
  readonly tokenIds: string;
  /** Candidates of each row. */
  readonly width: number;
}

/** Both of them; null where the host does it. */
export interface PostSamplingGraphs {
  readonly argmax: PostSamplingGraph | null;
  readonly topk: PostSamplingGraph | null;
}

/** What they must fit. */
export interface ModelLogits {
  readonly vocabSize: number;
  readonly logitsType: GraphFloat;
}

/** @throws TroupeError `invalid_config` for a graph of another form or element type, `invalid_model`, `file_error` */
export function openPostSampling({ argmax, topk }: GraphsConfig, model: ModelLogits): PostSamplingGraphs {
  return {
    argmax: argmax === null ? null : openGraph("argmax", argmax, model),
    topk: topk === null ? null : openGraph("topk", topk, model),
  };
}

function openGraph(key: "argmax" | "topk", file: string, model: ModelLogits): PostSamplingGraph {
  const header = readGraphHeader(file);
  const floats = header.inputs.filter(({ type }) => GRAPH_FLOATS.includes(type as GraphFloat));
  const logits = floats.find(({ dims }) => dims !== null && dims.length >= 2);
  const ids = header.outputs.find(({ type }) => type === "int64" || type === "int32");
  const others = header.inputs.filter((input) => input !== logits);
  const rank = logits?.dims?.length;
  if (logits === undefined || ids === undefined || (rank !== 2 && rank !== 3) || others.length > 1)
    throw invalid(
      key,
      file,
      `takes (${names(header.inputs)}) and gives (${names(header.outputs)}); ${FORM[key]}`,
    );
  if (logits.type !== model.logitsType)
    throw invalid(
      key,
      file,
      `takes ${logits.type} logits, and the model gives ${model.logitsType}; export it for those`,
    );
  const vocabSize = logits.dims!.at(-1);
  if (typeof vocabSize === "number" && vocabSize !== model.vocabSize)
    throw invalid(key, file, `is for ${vocabSize} tokens, and the model has ${model.vocabSize}`);
  return {
    file,
    logits: logits.name,
    logitsType: model.logitsType,
    rank,
    fixedRows: fixedRowsOf(logits),
    temperature: others[0] ?? null,
    tokenIds: ids.name,
    width: key === "argmax" ? 1 : widthOf(header, ids, file),
  };
}

const FORM = {
  argmax: "it must take logits [batch, 1, vocabulary] and give token ids as integers",
  topk: "it must take logits [batch, 1, vocabulary] and a temperature, and give values and token ids as integers",
};

function fixedRowsOf({ dims }: GraphValue): number | null {
  const first = dims![0];
  return typeof first === "number" ? first : null;
}

function widthOf({ outputs }: GraphHeader, ids: GraphValue, file: string): number {
  const widths = [ids, ...outputs].map(({ dims }) => dims?.at(-1));
  const width = widths.find((size) => typeof size === "number");
  if (typeof width === "number") return width;
  throw invalid(
    "topk",
    file,
    "does not say how many candidates it gives; export it with a fixed number, such as 100",
  );
}

function names(values: readonly GraphValue[]): string {
  return values.map(({ name, type, dims }) => `${name}: ${type} [${dims?.join(", ") ?? "?"}]`).join(", ");
}

function invalid(key: string, file: string, what: string): TroupeError {
  return new TroupeError("invalid_config", `graphs.${key}: ${file} ${what}.`, {
    details: { path: `graphs.${key}` },
  });
}
