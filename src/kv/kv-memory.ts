/**
 * The memory of one rank's KV pages: for each layer a pool of keys and a pool of values in SharedArrayBuffers, rows of
 * [numKvHeads, numPages, pageSize] in one of the forms of kv-forms.ts. Head-major, so that gathering a block table's pages
 * along axis 1 gives the keys of each head in token order, which is what attention multiplies with.
 *
 * A KvMemory is plain data and can be sent to a worker. Who may write which page is not decided here.
 */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import type { KvDtype, KvRows } from "./forms/kv-form.ts";
import { KV_FORMS } from "./forms/kv-forms.ts";

/** Sizes that fix what a page holds. */
export interface KvPageShape {
  readonly numLayers: number;
  /** Of this rank. */
  readonly numKvHeads: number;
  readonly headDim: number;
  /** Tokens in a page. */
  readonly pageSize: number;
  readonly kvDtype: KvDtype;
}

/** Sizes of a rank's pools. */
export interface KvLayout extends KvPageShape {
  readonly numPages: number;
}

/** The pools of one rank. */
export interface KvMemory {
  readonly layout: KvLayout;
  /** [numLayers] */
  readonly layers: readonly { readonly keys: SharedArrayBuffer; readonly values: SharedArrayBuffer }[];
}

/** Views of one layer's pools: rows [numKvHeads, numPages, pageSize] each. */
export interface KvPool {
  readonly keys: KvRows;
  readonly values: KvRows;
}

/** Bytes that one page takes in all layers, keys and values together. */
export function kvPageBytes(shape: KvPageShape): number {
  const { numLayers, numKvHeads, headDim, pageSize, kvDtype } = shape;
  return 2 * numLayers * numKvHeads * pageSize * KV_FORMS[kvDtype].rowBytes(headDim);
}

/**
 * How many pages fit a memory budget.
 *
 * @throws TroupeError `invalid_config` when not even one does.
 * @example
 * ```ts
 * const shape = { numLayers: 22, numKvHeads: 4, headDim: 64, pageSize: 16, kvDtype: "f32" } as const;
 * numPagesWithin(shape, 1024 * 2 ** 20); // 1489
 * ```
 */
export function numPagesWithin(shape: KvPageShape, budgetBytes: number): number {
  const pageBytes = kvPageBytes(shape);
  const numPages = Math.floor(budgetBytes / pageBytes);
  if (numPages >= 1) return numPages;
  throw new TroupeError(
    "invalid_config",
    `A KV cache of ${budgetBytes} bytes holds no page: one page of ${shape.pageSize} tokens takes ${pageBytes} bytes. Raise engine.kvCacheMb.`,
    { details: { budgetBytes, pageBytes } },
  );
}

/**
 * Allocates zeroed pools.
 *
 * @throws TroupeError `invalid_config` when the machine cannot give that much memory.
 */
export function createKvMemory(layout: KvLayout): KvMemory {
  const poolBytes = (kvPageBytes(layout) * layout.numPages) / (2 * layout.numLayers);
  try {
    const layers = Array.from({ length: layout.numLayers }, () => ({
      keys: new SharedArrayBuffer(poolBytes),
      values: new SharedArrayBuffer(poolBytes),
    }));
    return { layout, layers };
  } catch (cause) {
    const totalBytes = kvPageBytes(layout) * layout.numPages;
    throw new TroupeError(
      "invalid_config",
      `${layout.numPages} KV pages take ${totalBytes} bytes, more than can be allocated. Lower engine.kvCacheMb or engine.numPages.`,
      { cause, details: { totalBytes } },
    );
  }
}

/** Views of each layer's pools. [numLayers] */
export function kvPools({ layout, layers }: KvMemory): KvPool[] {
  const { numKvHeads, numPages, pageSize, headDim, kvDtype } = layout;
  const shape = { numRows: numKvHeads * numPages * pageSize, headDim, pageSize };
  return layers.map(({ keys, values }) => ({
    keys: KV_FORMS[kvDtype].open(keys, shape),
    values: KV_FORMS[kvDtype].open(values, shape),
  }));
}

/**
 * Where token `position` of a sequence lies: its page's number times the page size plus the place in the page.
 *
 * @param blockTable page numbers of the sequence, in token order
 */
export function slotOf(blockTable: Int32Array, position: number, pageSize: number): number {
  const page = blockTable[Math.floor(position / pageSize)];
  invariant(page !== undefined, `block table of ${blockTable.length} pages does not reach token ${position}`);
  return page * pageSize + (position % pageSize);
}

/**
 * Writes the keys or values of a step's tokens into their slots.
 *
 * @param pool keys or values of one layer
 * @param source [numTokens, numKvHeads * headDim]
 * @param slots one for each token, see {@link slotOf}. [numTokens]
 */
export function writeKvRows(pool: KvRows, layout: KvLayout, source: Float32Array, slots: Int32Array): void {
  openPages(pool, layout, slots);
  fillSlots(pool, layout, source, slots);
}

/**
 * Clears the pages that a step's tokens open: attention reads whole pages and weighs the rest with exact zeros, and zero times
 * what a former owner left behind would be NaN if that was not finite.
 */
export function openPages(
  pool: KvRows,
  { numKvHeads, pageSize, numPages }: KvLayout,
  slots: Int32Array,
): void {
  for (const slot of slots) {
    if (slot % pageSize !== 0) continue;
    for (let head = 0; head < numKvHeads; head++) pool.clear(head * numPages * pageSize + slot, pageSize);
  }
}

/** {@link writeKvRows} for pages that are open. */
export function fillSlots(
  pool: KvRows,
  { numKvHeads, headDim, pageSize, numPages }: KvLayout,
  source: Float32Array,
  slots: Int32Array,
): void {
  let start = 0;
  for (const slot of slots) {
    for (let head = 0; head < numKvHeads; head++) {
      pool.write(head * numPages * pageSize + slot, source, start);
      start += headDim;
    }
  }
}

/** Copies the first `numTokens` tokens of page `from` to page `to` in every head of one pool and clears the rest of it. */
export function copyKvPage(
  pool: KvRows,
  { numKvHeads, numPages, pageSize }: KvLayout,
  [from, to]: readonly [from: number, to: number],
  numTokens: number,
): void {
  for (let head = 0; head < numKvHeads; head++) {
    const base = head * numPages * pageSize;
    const target = base + to * pageSize;
    pool.copy(base + from * pageSize, target, numTokens);
    pool.clear(target + numTokens, pageSize - numTokens);
  }
}
