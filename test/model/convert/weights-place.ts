/** Folders for tests that convert and split, and what lies in them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { convertWeights } from "../../../src/model/convert/convert-weights.ts";
import { mergeWeights } from "../../../src/model/convert/merge-weights.ts";
import { splitWeights } from "../../../src/model/convert/split-weights.ts";
import type { WeightPrecision } from "../../../src/model/weights-manifest.ts";
import { temporaryDir } from "../make-checkpoint.ts";

export const GOLDEN = "test/golden/models";
export const GOLDEN_MODELS = readdirSync(GOLDEN);

/** A temporary folder and the jobs inside it; names without a slash are folders in it. */
export function weightsPlace() {
  const dir = temporaryDir();
  const at = (name: string) => (name.includes("/") ? name : join(dir.path, name));
  const base = (from: string, to: string) => ({
    modelDir: at(from),
    outputDir: at(to),
    cacheDir: at("cache"),
  });
  return {
    at,
    base,
    cacheDir: at("cache"),
    convert: (from: string, to: string, precision: WeightPrecision) =>
      convertWeights({ ...base(from, to), precision }),
    split: (from: string, to: string, size: number) =>
      splitWeights({ ...base(from, to), strategy: { size } }),
    merge: (from: string, to: string) => mergeWeights(base(from, to)),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** A file's bytes. */
export function bytesOf(...path: string[]): Buffer {
  return readFileSync(join(...path));
}

/** The tensors of a file by name, in order: type, shape and bytes. */
export function tensorsOf(...path: string[]): Map<string, { dtype: string; shape: number[]; bytes: Buffer }> {
  const file = bytesOf(...path);
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.toString("utf8", 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return new Map(
    entries.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [name, { dtype, shape, bytes: file.subarray(start + from, start + to) }],
    ),
  );
}
