/**
 * Models as MindSpore's tools name them: files of graphs for whole prompts and for one more token. Here they are ONNX
 * graphs; a folder in their place is a model from which Troupe makes its own.
 */
import type { DialectSource } from "./config-dialect.ts";
import { invalidKey } from "./dialect-errors.ts";

/** What the names come to. */
export type NamedModel =
  | { readonly kind: "graphs"; readonly prefill: readonly string[]; readonly decode: readonly string[] }
  | { readonly kind: "folder"; readonly path: string; readonly numRanks: number };

/** Where the names stand in the file, for errors. */
export interface GraphKeys {
  readonly prefill: string;
  readonly decode: string;
}

/**
 * @param prefill one for each rank
 * @param decode one for each rank; empty uses the prefill graphs for both
 * @throws TroupeError `invalid_config` for lists of different lengths, and for MindIR graphs
 */
export function readGraphFiles(
  prefill: readonly string[],
  decode: readonly string[],
  keys: GraphKeys,
  source: DialectSource,
): NamedModel {
  if (decode.length > 0 && decode.length !== prefill.length)
    throw invalidKey(
      source,
      keys.decode,
      `names ${decode.length}, but ${keys.prefill} ${prefill.length}; both need one for each rank`,
    );
  for (const [key, files] of [
    [keys.prefill, prefill],
    [keys.decode, decode],
  ] as const)
    for (const file of files) refuseMindir(source, key, file);
  const all = [...prefill, ...decode];
  const folder = all.find((file) => !file.endsWith(".onnx"));
  if (folder === undefined) return { kind: "graphs", prefill, decode };
  const other = all.find((file) => file !== folder);
  if (other !== undefined)
    throw invalidKey(
      source,
      prefill.includes(folder) ? keys.prefill : keys.decode,
      `names "${folder}", which is no .onnx file: a folder with config.json and safetensors must be the only name in all places, but "${other}" is another`,
    );
  return { kind: "folder", path: folder, numRanks: prefill.length };
}

function refuseMindir(source: DialectSource, key: string, file: string): void {
  if (!/\.(mindir|ckpt|ms)$/.test(file)) return;
  throw invalidKey(
    source,
    key,
    `names "${file}", a file of MindSpore that only its own runtime reads; name the graph exported to ONNX, or the folder of the Hugging Face checkpoint it came from`,
  );
}
