/** Fills the masks that say which keys of a run each of its queries may see. */
import { MASKED } from "../model/blocks/attention-math.ts";
import type { AttentionRun } from "./attention-plan.ts";

/** What a mask says besides causality. */
export interface MaskOptions {
  readonly window: number | null;
  /** Write the distance key - query (ALiBi's factor) instead of 0 where a query may look. */
  readonly distances: boolean;
}

/** Fills `mask` [queries of the run, numKeys]: 0 (or the distance) where a query may look, {@link MASKED} elsewhere. */
export function fillMask(mask: Float32Array, run: AttentionRun, options: MaskOptions): void {
  const { numKeys, positions, keyEnds, keyStarts } = run;
  for (let query = 0; query < positions.length; query++) {
    const own = positions[query]! - keyStarts[query]!;
    const end = keyEnds[query]! - keyStarts[query]!;
    const first = options.window === null ? 0 : Math.max(0, own - options.window + 1);
    const row = mask.subarray(query * numKeys, (query + 1) * numKeys);
    row.fill(MASKED, 0, first);
    row.fill(MASKED, end);
    if (options.distances) for (let key = first; key < end; key++) row[key] = key - own;
    else row.fill(0, first, end);
  }
}
