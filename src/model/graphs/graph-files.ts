/**
 * Finds the graphs of a folder, as those who export lay them out: Hugging Face's optimum, transformers.js, onnxruntime-genai,
 * `troupe export`, and any folder with one graph or a pair, of which one file has "prefill" in its name.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { type GenaiConfig, readGenaiConfig } from "./genai-config.ts";

/** Absolute paths. */
export interface GraphFiles {
  readonly prefill: string;
  /** The same as prefill where one graph does both. */
  readonly decode: string;
  /** What the folder's genai_config.json says; null where there is none. */
  readonly genai: GenaiConfig | null;
}

/** Names in the order they are looked for, prefill and decode. */
const LAYOUTS: readonly (readonly [prefill: string, decode: string])[] = [
  ["prefill.onnx", "decode.onnx"],
  ["decoder_model_merged.onnx", "decoder_model_merged.onnx"],
  ["decoder_model.onnx", "decoder_with_past_model.onnx"],
  ["model.onnx", "model.onnx"],
];

/** Graphs that stand behind a model. */
const POST_SAMPLING = ["argmax.onnx", "topk.onnx"];

/**
 * @returns null for a folder without graphs, or one with weights (*.safetensors), which are compiled instead
 * @throws TroupeError `invalid_model` when it cannot be told which files to take; `unsupported_model`
 */
export async function findGraphFiles(dir: string): Promise<GraphFiles | null> {
  const names = await namesIn(dir);
  if (names.some((name) => name.endsWith(".safetensors"))) return null;
  const genai = await readGenaiConfig(dir);
  if (genai !== undefined) {
    const file = join(dir, genai.file);
    return { prefill: file, decode: file, genai };
  }
  return chooseFiles(dir, names) ?? chooseFiles(join(dir, "onnx"), await namesIn(join(dir, "onnx")));
}

async function namesIn(dir: string): Promise<string[]> {
  return (await readdir(dir).catch(() => [])).sort();
}

function chooseFiles(dir: string, names: readonly string[]): GraphFiles | null {
  const pair = (prefill: string, decode: string): GraphFiles => ({
    prefill: join(dir, prefill),
    decode: join(dir, decode),
    genai: null,
  });
  const layout = LAYOUTS.find((files) => files.every((file) => names.includes(file)));
  if (layout !== undefined) return pair(...layout);
  const graphs = names.filter((name) => name.endsWith(".onnx") && !POST_SAMPLING.includes(name));
  if (graphs.length === 0) return null;
  if (graphs.length === 1) return pair(graphs[0]!, graphs[0]!);
  const prefills = graphs.filter((name) => name.includes("prefill"));
  const decode = graphs.find((name) => !name.includes("prefill"));
  if (graphs.length === 2 && prefills.length === 1) return pair(prefills[0]!, decode!);
  const message =
    `${dir} has ${graphs.length} graphs (${graphs.slice(0, 8).join(", ")}), and none is called model.onnx. ` +
    "Name those to serve in graphs.prefill and graphs.decode.";
  throw new TroupeError("invalid_model", message, { details: { dir } });
}
