/**
 * Publishing a compiled model: it is written into a temporary folder beside its place and renamed when all of it is on
 * the disk, so that whatever has the final name is whole.
 */
import { utimesSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { errorCode } from "../json-file.ts";
import { sha256 } from "./content-hash.ts";

const TEMPORARY_PREFIX = ".compiling-";
/** A living compilation touches its folder every few seconds; see {@link TemporaryFolder.touch}. */
const ABANDONED_MS = 10 * 60 * 1000;

/** What renaming onto a folder that is not empty fails with (EPERM on Windows). */
const TARGET_EXISTS = ["ENOTEMPTY", "EEXIST", "EPERM"];

/** A folder being filled. */
export interface TemporaryFolder {
  readonly path: string;
  /** Shows others that this compilation lives. */
  touch(): void;
  /**
   * Gives it its final name. When another process was faster its result is kept and this one removed, unless that one
   * is no longer whole.
   */
  publish(target: string, isWhole: (path: string) => Promise<boolean>): Promise<void>;
  /** Removes it. */
  discard(): Promise<void>;
}

/** Makes a temporary folder in `cacheDir`, which is created if need be. */
export async function createTemporaryFolder(cacheDir: string): Promise<TemporaryFolder> {
  await mkdir(cacheDir, { recursive: true });
  const path = join(cacheDir, `${TEMPORARY_PREFIX}${hostTag()}-${process.pid}-${crypto.randomUUID()}`);
  await mkdir(path);
  const discard = () => rm(path, { recursive: true, force: true });
  return {
    path,
    discard,
    touch() {
      const now = new Date();
      utimesSync(path, now, now);
    },
    async publish(target, isWhole) {
      await syncFolder(path);
      try {
        await rename(path, target);
      } catch (error) {
        if (!TARGET_EXISTS.includes(errorCode(error) ?? "")) throw error;
        if (await isWhole(target)) return discard();
        await rm(target, { recursive: true, force: true });
        await rename(path, target);
      }
      await syncFolder(cacheDir);
    },
  };
}

/** Removes what killed compilations left behind. */
export async function removeAbandonedFolders(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const path = join(cacheDir, name);
    if (await isAbandoned(path, name)) await rm(path, { recursive: true, force: true });
  }
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const [host, pid] = name.slice(TEMPORARY_PREFIX.length).split("-");
  if (host === hostTag() && !isAlive(Number(pid))) return true;
  const touched = await stat(path).catch(() => null); // another process may have removed it just now
  return touched !== null && Date.now() - touched.mtimeMs > ABANDONED_MS;
}

/** A cache folder may be shared between hosts, and a process number means something on its own host only. */
function hostTag(): string {
  return sha256(hostname()).slice(0, 8);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}

/** Makes names in a folder durable. Windows cannot open folders, and needs no such step. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  await using handle = await open(path, "r");
  await handle.sync();
}
