/**
 * The content of a file as a hash. Hashing gigabytes takes seconds, so the hash of a file is noted under its path, size,
 * times and inode, as git's index does; and as there, a file changed so recently that another change could bear the same
 * time gets no note.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";

const CHUNK_BYTES = 4 * 1024 * 1024;
/** Coarser than the time stamps of any file system in use (FAT: two seconds). */
const RACY_MS = 3000;

const noteSchema = z.object({ path: z.string(), stamp: z.string(), hash: z.string() });
type Note = z.infer<typeof noteSchema>;

/**
 * @param onBytes called with bytes as they are hashed, and not at all for a file whose note holds; may throw to stop
 * @returns a hex SHA-256 of the file's content
 * @throws TroupeError `file_error` when the file cannot be read
 */
export async function fileHash(
  file: string,
  cacheDir: string,
  onBytes: (numBytes: number) => void,
): Promise<string> {
  try {
    const path = await realpath(file);
    const notePath = join(cacheDir, "hashes", `${sha256(path).slice(0, 32)}.json`);
    const { stamp, mtimeMs } = await fileStamp(path);
    const note = await readNote(notePath);
    if (note?.path === path && note.stamp === stamp) return note.hash;
    const hashedAtMs = Date.now();
    const hash = await hashFile(path, onBytes);
    const isSettled = hashedAtMs - mtimeMs > RACY_MS && (await fileStamp(path)).stamp === stamp;
    if (isSettled) await writeNote(notePath, { path, stamp, hash });
    return hash;
  } catch (error) {
    if (error instanceof TroupeError) throw error;
    throw new TroupeError("file_error", `Cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** @returns a hex SHA-256 of a text */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function fileStamp(path: string): Promise<{ stamp: string; mtimeMs: number }> {
  const { size, mtimeNs, ctimeNs, ino, mtimeMs } = await stat(path, { bigint: true });
  return { stamp: [size, mtimeNs, ctimeNs, ino].join(" "), mtimeMs: Number(mtimeMs) };
}

/** @returns a hex SHA-256 of the file's content, read now */
export async function hashFile(path: string, onBytes: (numBytes: number) => void): Promise<string> {
  await using handle = await open(path, "r");
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.byteLength, null);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(chunk.subarray(0, bytesRead));
    onBytes(bytesRead);
  }
}

/** A note that cannot be read is no note: the file is hashed again. */
async function readNote(path: string): Promise<Note | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return parse(noteSchema, value, { code: "file_error", what: path });
  } catch {
    return undefined;
  }
}

/** Notes only save time: a cache that is read-only does without. Renaming keeps two writers from mixing theirs. */
async function writeNote(path: string, note: Note): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, JSON.stringify(note));
    await rename(temporary, path);
  } catch {
    return;
  }
}
