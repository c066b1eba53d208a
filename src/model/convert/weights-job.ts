/** What convert, split, merge and re-split have in common: what they are told, and how they fail. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { describeModel } from "../architectures/registry.ts";
import type { OnProgress } from "../compile/progress.ts";
import { readModelFolder } from "../model-folder.ts";
import { ELEMENT_BYTES } from "../safetensors/element-types.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import { type TensorCuts, tensorCuts } from "../tensor-parallel/tensor-cuts.ts";
import type { WeightPrecision } from "../weights-manifest.ts";
import { withLock } from "./folder-lock.ts";

/** What every job takes. */
export interface WeightsJob {
  /** A Hugging Face folder, or one that was converted or split from it. */
  readonly modelDir: string;
  /** Made if need be. One that an interrupted run of the same job left is gone on with. */
  readonly outputDir: string;
  /** Where checksums are remembered; see defaultCacheDir. */
  readonly cacheDir: string;
  /** Families to choose from, for programs that bring their own. Default ARCHITECTURES. */
  readonly architectures?: readonly Architecture[];
  /** Called as bytes are read and written. */
  readonly onProgress?: OnProgress;
  /** Stops the job; run it again and it goes on. */
  readonly signal?: AbortSignal;
}

/** What a job has written. */
export interface WeightsResult {
  readonly dir: string;
  /** Of all weight files. */
  readonly numBytes: number;
  /** False when an earlier run had done all of it. */
  readonly wasWritten: boolean;
}

/** Runs a job that nobody else runs there; a failed system call in it is about the output folder, for what is read has errors of its own. */
export async function atOutput<T>(outputDir: string, job: () => Promise<T>): Promise<T> {
  try {
    return await withLock(outputDir, job);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    const message =
      `Cannot write weights to ${outputDir}: ${error.message}. Make room there or choose another folder; ` +
      "the same command goes on behind the files that are finished.";
    throw new TroupeError("file_error", message, { cause: error, details: { dir: outputDir } });
  }
}

/** The cuts that a folder's architecture calls for, by the names of the checkpoint. */
export async function cutsOf(
  modelDir: string,
  store: WeightStore,
  architectures: readonly Architecture[] | undefined,
): Promise<TensorCuts> {
  const folder = await readModelFolder(modelDir);
  return tensorCuts(describeModel(folder, architectures), (tensor) => store.nameOf(tensor));
}

/** The precision that a folder is in: that of its matrices, or the float type that most of it is kept in. */
export function precisionOf(store: WeightStore): WeightPrecision {
  if (store.quantization !== null) return store.quantization;
  const bytes = { F32: 0, BF16: 0, F16: 0 };
  for (const { dataType, numBytes } of store.files.flatMap(({ tensors }) => tensors)) {
    if (dataType in bytes) bytes[dataType as keyof typeof bytes] += numBytes;
  }
  if (bytes.F32 >= bytes.BF16 && bytes.F32 >= bytes.F16) return "fp32";
  return bytes.BF16 >= bytes.F16 ? "bf16" : "fp16";
}

/** @throws TroupeError `invalid_model` for a tensor whose elements have no whole number of bytes that is known */
export function checkTypes(store: WeightStore): void {
  for (const { name, dataType, file } of store.files.flatMap(({ tensors }) => tensors)) {
    if (dataType in ELEMENT_BYTES) continue;
    const known = Object.keys(ELEMENT_BYTES).join(", ");
    const message = `${file}: tensor ${name} is ${dataType}, which cannot be written; known are ${known}`;
    throw new TroupeError("invalid_model", message, { details: { file, tensor: name, dataType } });
  }
}
