/** compiled.json: the description of a compiled model, as it lies in the cache. */
import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KvDtype } from "../../kv/forms/kv-form.ts";
import { PAGE_TYPES } from "../blocks/page-forms.ts";
import type { CompiledModel } from "../compiled-model.ts";

const COMPILED_FILE = "compiled.json";

/** Part of every cache key: raise it with any change to segments or weights. */
export const FORMAT_VERSION = 8;

/** The data file of a segment's graph file. */
export function weightsFile(graphFile: string): string {
  return graphFile.replace(/\.onnx$/, ".weights");
}

/** The graph file of a data file. */
export function graphFileOf(weights: string): string {
  return weights.replace(/\.weights$/, ".onnx");
}

/** The graph file of a stack for one form of keys and values. */
export function stackFile(segment: string, kvDtype: KvDtype): string {
  return segment.replace(/\.onnx$/, `.${kvDtype}.onnx`);
}

function graphFiles(segment: string, { layout }: CompiledModel): string[] {
  if (layout === "blocks") return [segment];
  return (Object.keys(PAGE_TYPES) as KvDtype[]).map((kvDtype) => stackFile(segment, kvDtype));
}

/** Writes compiled.json into a folder, down to the disk. */
export async function writeCompiled(dir: string, model: CompiledModel): Promise<void> {
  await writeFile(join(dir, COMPILED_FILE), `${JSON.stringify(model, null, 2)}\n`, { flush: true });
}

/**
 * Reads a compiled model from its folder.
 *
 * @returns null when there is none, or somebody has removed a file of it
 */
export async function readCompiled(dir: string): Promise<CompiledModel | null> {
  try {
    // Written by this version of Troupe and published whole, so its form needs no second check.
    const model = JSON.parse(await readFile(join(dir, COMPILED_FILE), "utf8")) as CompiledModel;
    const files = model.segments.flatMap((segment) => [weightsFile(segment), ...graphFiles(segment, model)]);
    await Promise.all(files.map((file) => access(join(dir, file))));
    return model;
  } catch {
    return null;
  }
}
