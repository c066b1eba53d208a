/** Page copies of a step, and how much of each page means something. */
import { copyKvPage, type KvLayout, type KvPool } from "../kv/kv-memory.ts";
import type { ExecutionBatch } from "../scheduling/step-plan.ts";

/** One page to be copied. */
export interface PageCopy {
  readonly pages: readonly [from: number, to: number];
  /** Tokens whose keys and values the copy is made for; what lies behind them in the page is nobody's. */
  readonly numTokens: number;
}

/** The copies of a batch, in order. A page that no sequence of the step has is copied whole. */
export function pageCopies(batch: ExecutionBatch, pageSize: number): PageCopy[] {
  const copies: PageCopy[] = [];
  for (let i = 0; i < batch.pageCopies.length; i += 2) {
    const [from, to] = [batch.pageCopies[i]!, batch.pageCopies[i + 1]!];
    copies.push({ pages: [from, to], numTokens: numTokensIn(batch, to, pageSize) });
  }
  return copies;
}

/** Tokens that the owner of `page` had computed into it before this step. */
function numTokensIn(batch: ExecutionBatch, page: number, pageSize: number): number {
  const place = batch.blockTables.indexOf(page);
  if (place === -1) return pageSize;
  const sequence = batch.blockStarts.findLastIndex((start) => start <= place);
  const first = (place - batch.blockStarts[sequence]!) * pageSize;
  return Math.max(0, Math.min(pageSize, batch.contextLens[sequence]! - first));
}

/** Copies the pages of a batch in every pool. */
export function applyPageCopies(batch: ExecutionBatch, pools: readonly KvPool[], layout: KvLayout): void {
  const copies = pageCopies(batch, layout.pageSize);
  for (const { keys, values } of pools) {
    for (const { pages, numTokens } of copies) {
      copyKvPage(keys, layout, pages, numTokens);
      copyKvPage(values, layout, pages, numTokens);
    }
  }
}
