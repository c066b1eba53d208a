/** Keys and values between pages and the tensors that graphs take and give. */
import { invariant, TroupeError } from "../../errors/troupe-error.ts";
import type { KvRows } from "../../kv/forms/kv-form.ts";
import { type KvLayout, slotOf, writeKvRows } from "../../kv/kv-memory.ts";
import type { GraphFloat, GraphSpec } from "../../model/graphs/graph-model.ts";
import type { FloatScratch } from "../float-scratch.ts";
import { type Tensor, tensor } from "../onnx-runtime.ts";
import type { GraphRun, GraphUnit } from "./graph-plan.ts";
import { floatsOf } from "./graph-session.ts";

/** Where the earlier tokens of one row begin in its past. */
function pastStart({ pastSide }: GraphSpec, { pastLength }: GraphRun, { contextLen }: GraphUnit): number {
  return pastSide === "end" ? pastLength - contextLen : 0;
}

/**
 * The keys or values of a run's earlier tokens, gathered from pages; zeros where a row has none.
 *
 * @param scratch where float32 rows go: fresh memory for every run would cost more than the copy
 * @returns [batchSize, numKvHeads, pastLength, headDim], valid until the scratch is reset
 */
export function gatherPast(
  pool: KvRows,
  layout: KvLayout,
  run: GraphRun,
  spec: GraphSpec,
  scratch: FloatScratch,
): Tensor {
  const { numKvHeads, headDim } = layout;
  const { batchSize, pastLength, units } = run;
  const numbers = batchSize * numKvHeads * pastLength * headDim;
  const bits = spec.kvType === "float16" ? new Uint16Array(numbers) : null;
  const rows = bits === null ? scratch.take(numbers) : new Float16Array(bits.buffer);
  for (let index = 0; index < batchSize; index++) {
    const unit = units[index] ?? units[0]!;
    const first = pastStart(spec, run, unit);
    for (let head = 0; head < numKvHeads; head++) {
      const start = (index * numKvHeads + head) * pastLength;
      rows.fill(0, start * headDim, (start + first) * headDim);
      rows.fill(0, (start + first + unit.contextLen) * headDim, (start + pastLength) * headDim);
      readContext(pool, layout, head, unit, rows, (start + first) * headDim);
    }
  }
  const dims = [batchSize, numKvHeads, pastLength, headDim];
  return bits === null ? tensor("float32", rows as Float32Array, dims) : tensor("float16", bits, dims);
}

/** Pages that follow each other in the pool are read at once. */
function readContext(
  pool: KvRows,
  { numPages, pageSize, headDim }: KvLayout,
  head: number,
  { blockTable, contextLen }: GraphUnit,
  target: Float32Array | Float16Array,
  start: number,
): void {
  for (let token = 0; token < contextLen; ) {
    const first = token / pageSize;
    let end = first + 1;
    while (end * pageSize < contextLen && blockTable[end] === blockTable[end - 1]! + 1) end++;
    const numTokens = Math.min(end * pageSize, contextLen) - token;
    pool.read((head * numPages + blockTable[first]!) * pageSize, numTokens, target, start + token * headDim);
    token += numTokens;
  }
}

/**
 * Writes the new rows of what a graph gave into pages.
 *
 * @param present keys or values of one layer [batchSize, numKvHeads, length, headDim]; length says what it holds: the new
 *   rows alone, the past with the new rows behind it, or a past of fixed length with the new rows put in
 */
export function writePresent(
  pool: KvRows,
  layout: KvLayout,
  run: GraphRun,
  spec: GraphSpec,
  present: Tensor,
): void {
  const { numKvHeads, headDim, pageSize } = layout;
  const [batchSize, heads, length, dim] = present.dims;
  if (present.dims.length !== 4 || batchSize !== run.batchSize || heads !== numKvHeads || dim !== headDim)
    throw wrongPresent(spec, present, `[${run.batchSize}, ${numKvHeads}, length, ${headDim}]`);
  const numbers = floatsOf(present, spec.kvType);
  for (const [index, unit] of run.units.entries()) {
    const first = firstNewRow(spec, run, unit, present);
    const numTokens = unit.tokenIds.length;
    const rows = new Float32Array(numTokens * numKvHeads * headDim); // [tokens, heads, headDim]
    for (let token = 0; token < numTokens; token++) {
      for (let head = 0; head < numKvHeads; head++) {
        const from = ((index * numKvHeads + head) * length! + first + token) * headDim;
        rows.set(numbers.subarray(from, from + headDim), (token * numKvHeads + head) * headDim);
      }
    }
    const slots = Int32Array.from({ length: numTokens }, (_, token) =>
      slotOf(unit.blockTable, unit.contextLen + token, pageSize),
    );
    writeKvRows(pool, layout, rows, slots);
  }
}

function firstNewRow(
  spec: GraphSpec,
  run: GraphRun,
  { contextLen, tokenIds }: GraphUnit,
  present: Tensor,
): number {
  const length = present.dims[2]!;
  const { pastLength, numTokens } = run;
  if (length === pastLength + numTokens) return spec.hasGroupQueryAttention ? contextLen : pastLength;
  if (length === numTokens) return 0;
  if (length >= contextLen + tokenIds.length && spec.pastSide === "start") return contextLen;
  throw wrongPresent(
    spec,
    present,
    `a length of ${numTokens} (the new tokens), ${pastLength + numTokens} (all) or ${pastLength} (a fixed past)`,
  );
}

function wrongPresent({ file }: GraphSpec, { dims }: Tensor, expected: string): TroupeError {
  return new TroupeError(
    "invalid_model",
    `${file} gave keys and values of [${dims.join(", ")}]; expected ${expected}.`,
    { details: { file } },
  );
}

/** Rows of logits as float32, one after the other. */
export interface LogitRows {
  readonly values: Float32Array | Float16Array;
  /** Rows of each sequence: as many as tokens, or one. */
  readonly perRow: number;
  readonly width: number;
}

/** @throws TroupeError `invalid_model` when the graph gives another number of rows or too narrow ones */
export function logitRows(
  logits: Tensor,
  type: GraphFloat,
  run: GraphRun,
  vocabSize: number,
  file: string,
): LogitRows {
  const width = logits.dims.at(-1) ?? 0;
  const numRows = logits.dims.slice(0, -1).reduce((product, dim) => product * dim, 1);
  const perRow = numRows / run.batchSize;
  if (width < vocabSize || (perRow !== 1 && perRow !== run.numTokens))
    throw new TroupeError(
      "invalid_model",
      `${file} gave logits of [${logits.dims.join(", ")}]; expected [${run.batchSize}, ${run.numTokens} or 1, ${vocabSize}].`,
      { details: { file } },
    );
  return { values: floatsOf(logits, type), perRow, width };
}

/** Where the logits of a unit's token lie. */
export function logitStart(
  { perRow, width }: LogitRows,
  index: number,
  token: number,
  unit: GraphUnit,
): number {
  if (perRow > 1) return (index * perRow + token) * width;
  invariant(
    token === unit.tokenIds.length - 1,
    `logits of token ${token} of ${unit.tokenIds.length} are wanted, the graph gives those of the last alone`,
  );
  return index * width;
}
