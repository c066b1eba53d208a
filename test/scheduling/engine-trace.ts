/**
 * A scheduler with the reference model under it, and a readable trace of what it did:
 *
 *     1: a 0+8 [0 1] *          sequence a computes 8 tokens from position 0, in pages 0 and 1, and draws
 *     2: a 8+1 [0 1 2] * | b 0+4 [3]
 *     3: copy 1>4 | a.0 6+1 [0 1] * | a.1 6+1 [0 4] *
 */
import assert from "node:assert/strict";
import { KvCache } from "../../src/kv/kv-cache.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import { answerSeed } from "../../src/scheduling/answer-seed.ts";
import { DEFAULT_BATCHING } from "../../src/scheduling/batching-options.ts";
import { Scheduler, type SchedulerOptions } from "../../src/scheduling/scheduler.ts";
import type {
  EngineRequest,
  ExecutionBatch,
  SamplingBatch,
  SequenceOutput,
  StepOutput,
} from "../../src/scheduling/step-plan.ts";
import { FakeExecutor, partsOf } from "./fake-executor.ts";
import { request } from "./requests.ts";

export interface TraceOptions extends SchedulerOptions {
  readonly numPages: number;
  readonly pageSize: number;
  readonly prefixCache: boolean;
  /** See ExecutorLimits; the whole vocabulary when absent. */
  readonly numDrawnIds?: number;
}

const DEFAULTS: TraceOptions = {
  numPages: 16,
  pageSize: 4,
  prefixCache: true,
  maxNumSeqs: 4,
  maxNumBatchedTokens: 16,
  maxLogitRows: 16,
  maxModelLen: 64,
  maxAnswerTokens: null,
  maxQueuedRequests: 8,
  policy: "continuous",
  batching: DEFAULT_BATCHING,
  wholePrompts: false,
  maxDraftTokens: 0,
  vocabSize: 1000,
  eosTokenIds: [],
};

type Plan = { execution: ExecutionBatch; sampling: SamplingBatch };

export class EngineTrace {
  readonly options: TraceOptions;
  readonly scheduler: Scheduler;
  readonly executor: FakeExecutor;
  readonly lines: string[] = [];
  readonly outputs: StepOutput[] = [];
  /** The scheduler's clock. */
  nowMs = 0;
  readonly #requests = new Map<string, EngineRequest>();
  #inFlight: Plan | null = null;

  constructor(options: Partial<TraceOptions> = {}) {
    this.options = { ...DEFAULTS, ...options };
    this.scheduler = new Scheduler(this.options, new KvCache(this.options));
    this.executor = new FakeExecutor({ numDrawnIds: this.options.vocabSize, ...this.options });
  }

  add(requestId: string, promptIds: readonly number[], params: Partial<SamplingParams> = {}): EngineRequest {
    return this.submit(request(requestId, promptIds, params, { seed: 1000 + this.#requests.size }));
  }

  submit(added: EngineRequest): EngineRequest {
    this.scheduler.add(added, { nowMs: this.nowMs });
    this.#requests.set(added.requestId, added);
    return added;
  }

  /** Plans a step and leaves it in flight. */
  begin(): boolean {
    const plan = this.scheduler.plan(this.nowMs);
    this.#inFlight = plan;
    if (plan !== null) this.lines.push(this.#describe(plan));
    return plan !== null;
  }

  /** Runs and commits the step in flight. */
  end(): StepOutput {
    assert.ok(this.#inFlight !== null, "no step in flight");
    const output = this.scheduler.commit(this.executor.run(this.#inFlight));
    this.#inFlight = null;
    this.outputs.push(output);
    return output;
  }

  /** One whole step; false when nothing can run. */
  step(): boolean {
    if (!this.begin()) return false;
    this.end();
    return true;
  }

  /** Steps until nothing can run, however late. */
  drain(maxSteps = 1000): void {
    for (let count = 0; this.step() || this.#waitForBatch(); count++)
      assert.ok(count < maxSteps, "does not come to an end");
  }

  #waitForBatch(): boolean {
    const delayMs = this.scheduler.timeToBatch(this.nowMs);
    if (delayMs === null) return false;
    assert.ok(delayMs > 0, "waits for a batch that is closed");
    this.nowMs += delayMs;
    return true;
  }

  /** Takes the lines since the last call. */
  takeLines(): string[] {
    return this.lines.splice(0);
  }

  /** All outputs of an answer. */
  outputsOf(requestId: string, index = 0): SequenceOutput[] {
    const all = this.outputs.flatMap((output) => output.sequences);
    return all.filter((output) => output.requestId === requestId && output.index === index);
  }

  tokensOf(requestId: string, index = 0): number[] {
    return this.outputsOf(requestId, index).flatMap((output) => output.tokenIds);
  }

  #describe({ execution, sampling }: Plan): string {
    const words: string[] = [];
    for (let pair = 0; pair < execution.pageCopies.length; pair += 2)
      words.push(`copy ${execution.pageCopies[pair]}>${execution.pageCopies[pair + 1]}`);
    const taken = new Set<string>();
    for (const [index, part] of partsOf(execution).entries()) {
      const last = execution.tokenStarts[index + 1]! - 1;
      const drawn = this.#drawnFrom(sampling, execution.logitTokens.indexOf(last));
      const name = drawn.length === 1 ? drawn[0]! : this.#nameByTokens(part.start, part.tokenIds, taken);
      taken.add(name);
      const draws = drawn.length === 0 ? "" : drawn.length === 1 ? " *" : ` *${drawn.length}`;
      words.push(`${name} ${part.start}+${part.tokenIds.length} [${part.pages.join(" ")}]${draws}`);
    }
    for (const { firstRow, targets } of sampling.promptScorings)
      words.push(`score ${targets.length} from row ${firstRow}`);
    return `${execution.step}: ${words.join(" | ")}`;
  }

  #drawnFrom(sampling: SamplingBatch, row: number): string[] {
    const names: string[] = [];
    for (let pair = 0; pair < sampling.draws.length; pair += 2)
      if (sampling.draws[pair + 1] === row) names.push(this.#nameOf(sampling, sampling.draws[pair]!));
    return names;
  }

  #nameOf(sampling: SamplingBatch, sequence: number): string {
    const admitted = sampling.admitted.find((init) => init.sequence === sequence);
    const seed = (admitted ?? this.executor.sequences.get(sequence)?.init)?.seed;
    for (const { requestId, seed: base, params } of this.#requests.values())
      for (let index = 0; index < params.bestOf; index++)
        if (answerSeed(base, index) === seed) return params.bestOf > 1 ? `${requestId}.${index}` : requestId;
    return `?${sequence}`;
  }

  /** A chunk without a draw is known by its tokens. */
  #nameByTokens(start: number, tokenIds: readonly number[], taken: ReadonlySet<string>): string {
    for (const { requestId, promptIds } of this.#requests.values()) {
      const all = [...promptIds, ...this.tokensOf(requestId)];
      const isHere = tokenIds.every((id, offset) => all[start + offset] === id);
      if (isHere && !taken.has(requestId)) return requestId;
    }
    return "?";
  }
}

/** Holds the lines since the last look against the expected ones, however those are indented. */
export function check(engine: EngineTrace, expected: string): void {
  const lines = expected.split("\n").map((line) => line.trim());
  assert.deepEqual(engine.takeLines(), lines.filter(Boolean));
}

/** Nothing runs or waits, and every page is free. */
export function checkAllFree(engine: EngineTrace): void {
  const { numPages, numFreePages, numRunning, numWaiting } = engine.scheduler.status();
  assert.deepEqual([numFreePages, numRunning, numWaiting], [numPages, 0, 0]);
}
