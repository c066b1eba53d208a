/**
 * A folder of weights while it is written, file by file. A file gets its name when all of it is on the disk and its
 * checksum stands in the manifest; what an interrupted run left so is kept by the next one, anything else is redone.
 */
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { hashFile } from "../compile/content-hash.ts";
import type { Progress } from "../compile/progress.ts";
import { SafetensorsWriter, type TensorPlan } from "../safetensors/safetensors-writer.ts";
import { MANIFEST_FILE, readManifest, type WeightsManifest, writeManifest } from "../weights-manifest.ts";
import { LOCK_FILE } from "./folder-lock.ts";
import type { Sink } from "./tensor-streams.ts";

/** What a folder will be; `files` and `complete` follow as it is filled. */
export type FolderPlan = Omit<WeightsManifest, "format" | "version" | "complete" | "files">;

/** A weight file being written. */
export interface OpenOutput {
  /** Appends bytes. */
  readonly write: Sink;
  /** Gives it its name. */
  publish(): Promise<void>;
  /** Removes it. */
  discard(): Promise<void>;
}

/** A folder being filled. */
export class OutputFolder {
  readonly dir: string;
  #manifest: WeightsManifest;

  private constructor(dir: string, manifest: WeightsManifest) {
    this.dir = dir;
    this.#manifest = manifest;
  }

  /**
   * Makes the folder, or takes up what an earlier run of the same work left in it.
   *
   * @throws TroupeError `file_error` when it holds anything else; `cancelled`
   */
  static async open(dir: string, plan: FolderPlan, progress: Progress): Promise<OutputFolder> {
    await mkdir(dir, { recursive: true });
    const before = await readManifest(dir);
    const empty: WeightsManifest = {
      format: "troupe-weights",
      version: 1,
      complete: false,
      ...plan,
      files: {},
    };
    if (before === undefined) {
      await checkEmpty(dir);
      await writeManifest(dir, empty);
      return new OutputFolder(dir, empty);
    }
    if (workOf(before) !== workOf(plan)) {
      const message = `${dir} holds ${describe(before)}, not ${describe(plan)}; choose another folder or remove it`;
      throw new TroupeError("file_error", message, { details: { dir } });
    }
    const files = await intactFiles(dir, before.files, progress);
    return new OutputFolder(dir, { ...before, complete: false, files });
  }

  /** True for a weight file that is there, whole. */
  has(name: string): boolean {
    return name in this.#manifest.files;
  }

  /** Of all weight files that are there, whole. */
  get numBytes(): number {
    return Object.values(this.#manifest.files).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Checksums of the weight files that are there, whole. */
  get files(): WeightsManifest["files"] {
    return this.#manifest.files;
  }

  /** Starts a weight file. */
  begin(
    name: string,
    tensors: readonly TensorPlan[],
    metadata: Readonly<Record<string, string>>,
  ): OpenOutput {
    const path = join(this.dir, name);
    const unfinished = `${path}.part`;
    const writer = new SafetensorsWriter(unfinished, tensors, metadata);
    return {
      write: (bytes) => writer.write(bytes),
      publish: async () => {
        const record = writer.finish();
        writer[Symbol.dispose]();
        await rename(unfinished, path);
        const files = Object.entries({ ...this.#manifest.files, [name]: record });
        this.#manifest = { ...this.#manifest, files: Object.fromEntries(files.sort(byName)) };
        await writeManifest(this.dir, this.#manifest);
      },
      discard: async () => {
        writer[Symbol.dispose]();
        await rm(unfinished, { force: true });
      },
    };
  }

  /** Writes a small file. */
  async writeText(name: string, text: string): Promise<void> {
    const path = join(this.dir, name);
    await writeFile(`${path}.part`, text, { flush: true });
    await rename(`${path}.part`, path);
  }

  /** Marks the folder as whole. */
  async complete(): Promise<void> {
    this.#manifest = { ...this.#manifest, complete: true };
    await writeManifest(this.dir, this.#manifest);
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

async function checkEmpty(dir: string): Promise<void> {
  const name = (await readdir(dir)).find((entry) => !entry.startsWith(MANIFEST_FILE) && entry !== LOCK_FILE);
  if (name === undefined) return;
  const message = `${dir} is not empty (it holds ${name}); choose another folder for the result`;
  throw new TroupeError("file_error", message, { details: { dir } });
}

function workOf({ precision, block, source, shard }: FolderPlan): string {
  return JSON.stringify([precision, block, source.sha256, shard?.rank, shard?.size, shard?.strategy]);
}

function describe({ precision, source, shard }: FolderPlan): string {
  const what = shard === null ? "weights" : `shard ${shard.rank} of ${shard.size}`;
  return `${precision} ${what} of ${source.architecture} ${source.sha256.slice(0, 8)}`;
}

/** Files whose checksum still holds; the others are removed. */
async function intactFiles(
  dir: string,
  files: WeightsManifest["files"],
  progress: Progress,
): Promise<WeightsManifest["files"]> {
  const intact: WeightsManifest["files"] = {};
  progress.begin(
    "hashing",
    Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0),
  );
  for (const [name, record] of Object.entries(files)) {
    const path = join(dir, name);
    const size = await stat(path).then(
      (found) => found.size,
      () => -1,
    );
    const isIntact =
      size === record.bytes &&
      (await hashFile(path, (numBytes) => progress.advance(name, numBytes))) === record.sha256;
    if (isIntact) intact[name] = record;
    else await rm(path, { force: true });
  }
  return intact;
}
