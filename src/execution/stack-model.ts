/**
 * Stacks of whole layers: a step is a run of each, and attention happens inside. What the step adds to the pages is written
 * once a stack has run; inside, it sees its own keys and values by itself. So for the last stack that can wait until the
 * logits are on their way.
 */
import { CPU } from "../config/device.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { fillSlots, type KvMemory, type KvPool, kvPools, openPages } from "../kv/kv-memory.ts";
import { stackFile } from "../model/compile/compiled-file.ts";
import { checkStop } from "./check-stop.ts";
import { type ChainOptions, loadSegments, runSegment } from "./dense-chain.ts";
import { LatestResults } from "./latest-results.ts";
import type { Session, Tensor } from "./onnx-runtime.ts";
import type { RunMeter } from "./run-meter.ts";
import { StackFeeds } from "./stack-feeds.ts";
import type { StepInput, StepLogits, StepModel } from "./step-model.ts";

/** What a model of stacks is made from. */
export interface StackModelOptions extends ChainOptions {
  readonly kv: KvMemory;
  readonly maxModelLen: number;
  readonly meter: RunMeter;
}

/** Longer than the nodes of a step that one thread computes alone, shorter than what lies between steps. */
const SPIN_US = 300;

type Results = Readonly<Record<string, Tensor>>;

/** A loaded model. */
export class StackModel implements StepModel {
  readonly #options: StackModelOptions;
  readonly #stacks: readonly Session[];
  readonly #pools: readonly KvPool[];
  readonly #feeds: StackFeeds;
  readonly #latest = new LatestResults();
  /** What the last stack of a step gave, until it is in the pages. */
  #unsettled: { readonly results: Results; readonly slots: Int32Array } | null = null;

  /** @throws TroupeError `invalid_model` when a stack does not load; what was loaded before is freed. */
  constructor(options: StackModelOptions) {
    const { model, kv } = options;
    this.#options = options;
    const numThreads = stackThreads(options);
    this.#pools = kvPools(kv);
    this.#feeds = new StackFeeds({ ...options, numThreads });
    this.#stacks = loadStacks({ ...options, model, numThreads });
  }

  run({ batch, rows, slots }: StepInput): StepLogits | null {
    this.#openPages(slots);
    const { feeds, gatheredBytes } = this.#feeds.of(batch, rows);
    this.#options.meter.countGathered(gatheredBytes);
    let handed: Record<string, Tensor> = {};
    for (const stack of this.#stacks) {
      checkStop(this.#options.shouldStop, "The step was abandoned between two graphs");
      this.settle();
      const results = this.#latest.hold(runSegment(stack, { ...feeds, ...handed }, stack.outputNames));
      this.#unsettled = { results, slots };
      const { sumOut, normedOut, logits } = results;
      if (logits === undefined) handed = { sum: sumOut!, normed: normedOut! };
      else if (batch.logitTokens.length > 0)
        return { rows: logits.data as Float32Array, tokens: batch.logitTokens };
    }
    return null;
  }

  settle(): void {
    if (this.#unsettled === null) return;
    const { results, slots } = this.#unsettled;
    this.#unsettled = null;
    this.#fillSlots(results, slots);
  }

  release(): void {
    for (const stack of this.#stacks) stack.release();
  }

  #openPages(slots: Int32Array): void {
    const { layout } = this.#options.kv;
    for (const { keys, values } of this.#pools) {
      openPages(keys, layout, slots);
      openPages(values, layout, slots);
    }
  }

  /** Writes what the layers of a stack add, its outputs k.N and v.N. */
  #fillSlots(results: Results, slots: Int32Array): void {
    const { layout } = this.#options.kv;
    for (const [layer, { keys, values }] of this.#pools.entries()) {
      const [k, v] = [results[`k.${layer}`], results[`v.${layer}`]];
      if (k === undefined || v === undefined) continue;
      fillSlots(keys, layout, k.data as Float32Array, slots);
      fillSlots(values, layout, v.data as Float32Array, slots);
    }
  }
}

/** Threads of a stack: one more than there are query heads would have to share a product of attention. */
export function stackThreads({ model, numThreads }: Pick<ChainOptions, "model" | "numThreads">): number {
  return Math.min(numThreads, model.numHeads);
}

/** @throws TroupeError `invalid_model` for a device that is not the CPU, and as {@link loadSegments} */
export function loadStacks(options: ChainOptions & Pick<StackModelOptions, "kv">): Session[] {
  const { kv, device = CPU } = options;
  if (device.kind !== "cpu")
    throw new TroupeError(
      "invalid_model",
      `Stacks run on the CPU, and the device is ${device.kind}; compile blocks.`,
    );
  // One session, or few: what its arena keeps from step to step is worth its memory, and nobody else wants its threads.
  const alone = { keepArena: true, spinUs: SPIN_US };
  return loadSegments({ ...options, ...alone, fileOf: (name) => stackFile(name, kv.layout.kvDtype) });
}
