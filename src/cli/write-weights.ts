/** Converts, splits or merges weights: one request to the job it is for. */
import { defaultCacheDir } from "../model/cache-dir.ts";
import type { OnProgress } from "../model/compile/progress.ts";
import { convertWeights } from "../model/convert/convert-weights.ts";
import { mergeWeights } from "../model/convert/merge-weights.ts";
import { splitWeights } from "../model/convert/split-weights.ts";
import type { WeightsRequest, WrittenWeights } from "./services.ts";

/** A request whose progress is counted in bytes. */
export type BytesRequest = Omit<WeightsRequest, "onProgress"> & { readonly onProgress: OnProgress };

/** @throws TroupeError as the jobs do */
export async function writeWeights({ work, cacheDir, ...request }: BytesRequest): Promise<WrittenWeights> {
  const job = { ...request, cacheDir: cacheDir ?? defaultCacheDir() };
  switch (work.kind) {
    case "convert":
      return report(await convertWeights({ ...job, precision: work.precision }));
    case "split":
      return report(await splitWeights({ ...job, strategy: work.strategy }));
    case "merge":
      return report(await mergeWeights(job));
  }
}

function report(result: Awaited<ReturnType<typeof convertWeights>> & { readonly isIdentical?: boolean }) {
  const { dir, numBytes, wasWritten, isIdentical = null } = result;
  return { folder: dir, weightBytes: numBytes, wasWritten, isIdentical };
}
