/**
 * Runs the steps of one rank: token ids in, logits rows in shared memory out, keys and values in the pages on the way.
 *
 * It computes what it is told. Given the same tokens before it, a token's keys, values and logits have the same bits
 * whatever else is in the step, however the prompt was cut into chunks, and whichever of them came from a cache.
 */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import { type KvMemory, type KvPool, kvPools } from "../kv/kv-memory.ts";
import type { LogitsMemory } from "../kv/logits-memory.ts";
import type { ExecutionBatch } from "../scheduling/step-plan.ts";
import type { ExecuteWork } from "../scheduling/step-times.ts";
import { AllGather, type AllGatherMemory } from "./all-gather.ts";
import { BlockModel } from "./block-model.ts";
import type { ChainOptions } from "./dense-chain.ts";
import { applyPageCopies } from "./page-copies.ts";
import { RunMeter } from "./run-meter.ts";
import { checkRunnerSizes } from "./runner-sizes.ts";
import { StackModel } from "./stack-model.ts";
import type { StepInput, StepLogits, StepModel } from "./step-model.ts";
import { allRows, rowOfToken, slotsOf } from "./step-rows.ts";
import { warmUpSteps } from "./warm-up.ts";

/** What a runner is made from. */
export interface ModelRunnerOptions extends ChainOptions {
  /** The pages of this rank. */
  readonly kv: KvMemory;
  readonly logits: LogitsMemory;
  /** The largest step that will come; what warm-up runs. */
  readonly maxNumBatchedTokens: number;
  /** The longest sequence that will come, which scaled ropes fit their angles to. Default: the model's limit. */
  readonly maxModelLen?: number;
  /** What one rank of several sums with; null or absent for a whole model. */
  readonly allGather?: { readonly memory: AllGatherMemory; readonly timeoutMs: number } | null;
}

/** A loaded rank. */
export interface ModelRunner {
  /**
   * Computes a step on the calling thread. Row r of the logits memory then belongs to token `batch.logitTokens[r]`.
   *
   * One rank of several computes it together with the others, which must be given the same batch, and returns when all
   * have written their part of the logits. Whatever it throws, the others throw too.
   *
   * @returns what it came to, for the step's figures
   * @throws TroupeError `not_ready` when `shouldStop` said so (pages of the step's own tokens are then undefined),
   * `engine_failed` when a session or another rank fails, `deadline_exceeded` when another rank hangs.
   */
  execute(batch: ExecutionBatch): ExecuteWork;
  /**
   * Finishes what the last step left for when its logits are on their way: its keys and values go into their pages. The next step
   * does so first if nobody else has.
   */
  settle(): void;
  /** Runs small and large steps on zeros, so that the first request finds memory in place. Writes no page. */
  warmUp(): void;
  /** Time that went into waiting for other ranks, since the runner was made. */
  readonly waitMs: number;
  /** Frees all sessions, and lets no other rank wait for this one. The runner cannot be used afterwards. */
  release(): void;
}

/**
 * Loads the sessions of a compiled model.
 *
 * @throws TroupeError `invalid_model` when a segment does not load or memory and model do not fit each other, `not_ready`
 *   when `shouldStop` said so.
 * @example
 * ```ts
 * const runner = createModelRunner({ compiledDir, model, kv, logits, numThreads: 2, maxNumBatchedTokens: 512 });
 * runner.execute(batch);
 * const row = logitsRow(logits, 0);
 * ```
 */
export function createModelRunner(options: ModelRunnerOptions): ModelRunner {
  checkRunnerSizes(options);
  return new Runner(options);
}

class Runner implements ModelRunner {
  readonly #options: ModelRunnerOptions;
  readonly #model: StepModel;
  readonly #allGather: AllGather | null;
  readonly #pools: readonly KvPool[];
  readonly #logits: Float32Array;
  readonly #meter = new RunMeter();

  constructor(options: ModelRunnerOptions) {
    const { model, kv, logits } = options;
    this.#options = options;
    this.#pools = kvPools(kv);
    this.#logits = new Float32Array(logits.buffer);
    this.#allGather = allGatherOf(options);
    const maxModelLen = options.maxModelLen ?? model.maxPositions;
    const shared = { ...options, maxModelLen, meter: this.#meter };
    this.#model =
      model.layout === "stacks"
        ? new StackModel(shared)
        : new BlockModel({ ...shared, allGather: this.#allGather });
  }

  get waitMs(): number {
    return this.#allGather?.waitMs ?? 0;
  }

  execute(batch: ExecutionBatch): ExecuteWork {
    const startWaitMs = this.waitMs;
    this.#allGather?.join();
    try {
      this.#execute(batch);
      return { ...this.#meter.take(), waitMs: this.waitMs - startWaitMs };
    } catch (error) {
      const isStop = error instanceof TroupeError && error.code === "not_ready";
      this.#allGather?.poison(isStop ? "stopped" : "failed");
      throw error;
    }
  }

  #execute(batch: ExecutionBatch): void {
    const { kv, logits } = this.#options;
    invariant(
      batch.logitTokens.length <= logits.maxRows,
      `step ${batch.step} wants ${batch.logitTokens.length} rows of logits, the buffer holds ${logits.maxRows}`,
    );
    this.#model.settle();
    applyPageCopies(batch, this.#pools, kv.layout);
    if (batch.tokenIds.length === 0) return;
    const rows = allRows(batch, this.#options.model.prefixAttention);
    this.#run({ batch, rows, slots: slotsOf(rows, kv.layout.pageSize) });
    this.#allGather?.meet();
  }

  settle(): void {
    this.#model.settle();
  }

  warmUp(): void {
    const { prefixAttention } = this.#options.model;
    for (const { batch, numLayers } of warmUpSteps(this.#options)) {
      this.#run({ batch, rows: allRows(batch, prefixAttention), slots: new Int32Array(0), numLayers });
    }
    this.#meter.take();
  }

  release(): void {
    this.#allGather?.poison("stopped");
    this.#model.release();
  }

  #run(step: StepInput): void {
    const logits = this.#model.run(step);
    if (logits !== null) this.#keepLogits(step.batch, logits);
  }

  #keepLogits({ logitTokens }: ExecutionBatch, { rows, tokens }: StepLogits): void {
    const { vocabSize, part } = this.#options.model;
    const { firstLogit, numLogits } = part ?? { firstLogit: 0, numLogits: vocabSize };
    const rowOf = rowOfToken(logitTokens);
    for (const [from, token] of tokens.entries()) {
      const row = rows.subarray(from * numLogits, (from + 1) * numLogits);
      this.#logits.set(row, rowOf.get(token)! * vocabSize + firstLogit);
    }
  }
}

function allGatherOf({ model, allGather, shouldStop }: ModelRunnerOptions): AllGather | null {
  if (model.part === null || !allGather) return null;
  return new AllGather({ ...allGather, rank: model.part.rank, ...(shouldStop && { shouldStop }) });
}
