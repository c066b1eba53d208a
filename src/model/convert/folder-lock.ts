/** Keeps two processes from filling one folder at once. A process that was killed leaves its lock, which the next one takes over. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { errorCode } from "../json-file.ts";

export const LOCK_FILE = "troupe-weights.lock";

/**
 * Runs work on a folder that nobody else works on; the folder is made if need be.
 *
 * @throws TroupeError `file_error` when another process, or another call in this one, is at work there
 */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, LOCK_FILE);
  await takeLock(dir, path);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function takeLock(dir: string, path: string): Promise<void> {
  const mine = `${process.pid} ${hostname()}\n`;
  try {
    await writeFile(path, mine, { flag: "wx" });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    const [pid = "", host = ""] = (await readFile(path, "utf8")).trim().split(" ");
    if (host === hostname() && !isAlive(Number(pid))) return await writeFile(path, mine);
    const message = `Process ${pid} on ${host} is writing to ${dir}; wait for it, or remove ${LOCK_FILE} if it is gone`;
    throw new TroupeError("file_error", message, { details: { dir, pid, host } });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}
