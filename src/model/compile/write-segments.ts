/** Fills the folder of a compiled model: each segment's weights, then its graph, each down to the disk. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { WeightStore } from "../safetensors/weight-store.ts";
import type { TemporaryFolder } from "./cache-folder.ts";
import { DataFile } from "./data-file.ts";
import type { Progress } from "./progress.ts";
import type { Segment } from "./segment.ts";
import { createSlabBuffers, jobBytes, runJob, type SlabBuffers } from "./weight-job.ts";

/** What writing needs. */
export interface WriteContext {
  readonly store: WeightStore;
  readonly folder: TemporaryFolder;
  readonly progress: Progress;
}

export async function writeSegments(segments: readonly Segment[], context: WriteContext): Promise<void> {
  const jobs = segments.flatMap((segment) => segment.jobs);
  context.progress.begin(
    "compiling",
    jobs.reduce((sum, job) => sum + jobBytes(job, context.store), 0),
  );
  const buffers = createSlabBuffers();
  for (const segment of segments) await writeSegment(segment, buffers, context);
}

/** Writes graphs whose weights are in place. */
export async function writeGraphs(segments: readonly Segment[], folder: TemporaryFolder): Promise<void> {
  for (const { graphFile, graph } of segments)
    await writeFile(join(folder.path, graphFile), graph.build(), { flush: true });
}

async function writeSegment(
  segment: Segment,
  buffers: SlabBuffers,
  { store, folder, progress }: WriteContext,
): Promise<void> {
  using file = new DataFile(join(folder.path, segment.weightsFile));
  const onBytes = (numBytes: number) => {
    folder.touch();
    progress.advance(segment.name, numBytes);
  };
  for (const job of segment.jobs) await runJob(job, { store, file, buffers, onBytes });
  file.sync();
  await writeGraphs([segment], folder);
}
