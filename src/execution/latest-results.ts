/**
 * The results of a chain's latest run. The memory of those before it is given back at once: left to the garbage
 * collector, megabytes of results pile up with every step, and each run writes into memory that the operating system has to
 * bring in first. That took a third of a run of cheap operators and made a pause every few steps.
 */
import { invariant } from "../errors/troupe-error.ts";
import type { Tensor } from "./onnx-runtime.ts";

/** Holds what one run gave until the next one has run. */
export class LatestResults {
  #held: readonly Tensor[] = [];

  /** Takes the results of a run, which stay readable until the next call; those of the former one are gone. */
  hold<T extends Readonly<Record<string, Tensor>>>(results: T): T {
    for (const result of this.#held) giveBack(result);
    this.#held = Object.values(results);
    return results;
  }
}

/** Gives back the memory of one result; twice does no harm. */
export function giveBack({ data: { buffer } }: Tensor): void {
  invariant(buffer instanceof ArrayBuffer, "results of a run are never in shared memory");
  buffer.transfer(0);
}
