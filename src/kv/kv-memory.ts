/**
 * The memory of one rank's KV pages: for each layer a pool of keys and a pool of values, float32
 * [numKvHeads, numPages, pageSize * headDim] in SharedArrayBuffers. Head-major, so that gathering a block table's pages
 * along axis 1 gives the keys of each head in token order, which is what attention multiplies with.
 *
 * A KvMemory is plain data and can be sent to a worker. Who may write which page is not decided here.
 */
import { invariant, TroupeError } from "../errors/troupe-error.ts";

/** Sizes that fix what a page holds. */
export interface KvPageShape {
  readonly numLayers: number;
  /** Of this rank. */
  readonly numKvHeads: number;
  readonly headDim: number;
  /** Tokens in a page. */
  readonly pageSize: number;
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

/** Views of one layer's pools: [numKvHeads, numPages, pageSize * headDim] each. */
export interface KvPool {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** Bytes that one page takes in all layers, keys and values together. */
export function kvPageBytes(shape: KvPageShape): number {
  return (
    2 * shape.numLayers * shape.numKvHeads * shape.pageSize * shape.headDim * Float32Array.BYTES_PER_ELEMENT
  );
}

/**
 * How many pages fit a memory budget.
 *
 * @throws TroupeError `invalid_config` when not even one does.
 * @example
 * ```ts
 * numPagesWithin({ numLayers: 22, numKvHeads: 4, headDim: 64, pageSize: 16 }, 1024 * 2 ** 20); // 1489
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
export function kvPools(memory: KvMemory): KvPool[] {
  return memory.layers.map(({ keys, values }) => ({
    keys: new Float32Array(keys),
    values: new Float32Array(values),
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
 * A token that opens a page clears the rest of it: attention reads whole pages and weighs the rest with exact zeros, and
 * zero times what a former owner left behind would be NaN if that was not finite.
 *
 * @param pool keys or values of one layer, [numKvHeads, numPages, pageSize * headDim]
 * @param rows [numTokens, numKvHeads * headDim]
 * @param slots one for each token, see {@link slotOf}. [numTokens]
 */
export function writeKvRows(
  pool: Float32Array,
  layout: KvLayout,
  rows: Float32Array,
  slots: Int32Array,
): void {
  const { numKvHeads, headDim, pageSize, numPages } = layout;
  const headStride = numPages * pageSize * headDim;
  // Not `fill`: on shared memory it is an atomic store for each element.
  const zeros = new Float32Array((pageSize - 1) * headDim);
  let source = 0;
  for (const slot of slots) {
    let target = slot * headDim;
    for (let head = 0; head < numKvHeads; head++) {
      pool.set(rows.subarray(source, source + headDim), target);
      if (slot % pageSize === 0) pool.set(zeros, target + headDim);
      source += headDim;
      target += headStride;
    }
  }
}

/** Copies page `from` to page `to` in every head of one pool. */
export function copyKvPage(pool: Float32Array, layout: KvLayout, from: number, to: number): void {
  const pageElements = layout.pageSize * layout.headDim;
  for (let head = 0; head < layout.numKvHeads; head++) {
    const base = head * layout.numPages * pageElements;
    const start = base + from * pageElements;
    pool.copyWithin(base + to * pageElements, start, start + pageElements);
  }
}
