/**
 * The header of a safetensors file: eight bytes of length, then JSON that says where each tensor lies. Everything is
 * checked here, so that readers can trust it: https://github.com/huggingface/safetensors#format.
 */
import type { FileHandle } from "node:fs/promises";
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { ELEMENT_BYTES } from "./element-types.ts";

/** One tensor of a file. */
export interface TensorEntry {
  readonly name: string;
  /** As the file spells it: F32, BF16, ... */
  readonly dataType: string;
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  readonly numBytes: number;
}

/** What a header says. */
export interface Header {
  /** In the order of their bytes. */
  readonly tensors: readonly TensorEntry[];
  /** Notes of whoever wrote the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000;

const count = z.number().int().nonnegative();
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(count),
  data_offsets: z.tuple([count, count]),
});
/**
 * Reads and checks the header of an open file.
 *
 * @throws TroupeError `invalid_model` naming the file, and the tensor where it is about one.
 */
export async function readHeader(handle: FileHandle, file: string): Promise<Header> {
  const { size } = await handle.stat();
  if (size < 8) throw bad(file, `has ${size} bytes; even an empty one has 8. Is the download complete?`);
  const length = Number((await readBytes(handle, 0, 8)).readBigUInt64LE());
  if (length > MAX_HEADER_BYTES)
    throw bad(file, `claims a header of ${length} bytes; it is not a safetensors file`);
  if (8 + length > size) {
    throw bad(file, `is cut off: its header needs ${8 + length} bytes and the file has ${size}`);
  }
  const header = parseJson((await readBytes(handle, 8, length)).toString("utf8"), file);
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    entries.push(checkEntry(name, value, { file, dataStart: 8 + length, size }));
  }
  const tensors = entries.sort((a, b) => a.offset - b.offset);
  checkNoOverlap(tensors, file);
  return { tensors, metadata: notesOf(header.__metadata__) };
}

/** Nobody computes with notes, so odd ones are passed over. */
function notesOf(value: unknown): Record<string, string> {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

async function readBytes(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer;
}

function parseJson(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(file, `has a header that is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw bad(file, "has a header that is not a JSON object");
}

interface Place {
  readonly file: string;
  readonly dataStart: number;
  readonly size: number;
}

function checkEntry(name: string, value: unknown, { file, dataStart, size }: Place): TensorEntry {
  const what = `${file}: tensor ${name}`;
  const { dtype, shape, data_offsets: range } = parse(entrySchema, value, { code: "invalid_model", what });
  const [start, end] = range;
  const numBytes = end - start;
  if (numBytes < 0) throw bad(file, `: tensor ${name} ends at ${end}, before its start ${start}`);
  if (dataStart + end > size) {
    throw bad(file, `is cut off: tensor ${name} ends at byte ${dataStart + end} and the file has ${size}`);
  }
  const elementBytes = ELEMENT_BYTES[dtype];
  const expected = shape.reduce((product, dim) => product * dim, elementBytes ?? 0);
  if (elementBytes !== undefined && expected !== numBytes) {
    throw bad(
      file,
      `: tensor ${name} ${dtype}[${shape.join(", ")}] needs ${expected} bytes and has ${numBytes}`,
    );
  }
  return { name, dataType: dtype, shape, offset: dataStart + start, numBytes };
}

function checkNoOverlap(entries: readonly TensorEntry[], file: string): void {
  const ordered = entries.filter((entry) => entry.numBytes > 0);
  for (const [index, next] of ordered.entries()) {
    const previous = ordered[index - 1];
    if (previous !== undefined && previous.offset + previous.numBytes > next.offset) {
      throw bad(file, `: tensors ${previous.name} and ${next.name} overlap`);
    }
  }
}

function bad(file: string, problem: string): TroupeError {
  const message = problem.startsWith(":") ? `${file}${problem}` : `${file} ${problem}`;
  return new TroupeError("invalid_model", message, { details: { file } });
}
