/**
 * Decides what every step computes. A pure state machine: no clock, no threads, no tensors; `plan` gives the next step,
 * `commit` takes its result.
 *
 * One step is in flight at a time. `add`, `cancel`, `pause` and `resume` may come at any moment; what a step in flight
 * still writes is freed when it is committed. Two steps in flight would need three things more: a count instead of the
 * flag `isInFlight`, drawn tokens that the ranks take from the sampler instead of from the plan, and a commit that
 * discards what was computed behind an ending token.
 */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import type { KvCache } from "../kv/kv-cache.ts";
import { ADMISSION_POLICIES, type AdmissionPolicy } from "./admission-policy.ts";
import { type FinishLimits, finishOf } from "./finish-check.ts";
import { createPhaseChooser, type Phase, type PhaseChooser } from "./phase-chooser.ts";
import { timeToClose } from "./prefill-gate.ts";
import { NO_DRAFT, proposeDraft } from "./propose-draft.ts";
import { RequestGroup } from "./request-group.ts";
import { createCounters, type SchedulerCounters } from "./scheduler-counters.ts";
import {
  checkOptions,
  checkRequest,
  maxSequenceTokens,
  type SchedulerOptions,
  withAnswerLimit,
} from "./scheduler-options.ts";
import { Sequence } from "./sequence.ts";
import { reportSequence, type SequenceReport } from "./sequence-report.ts";
import { SequenceStates } from "./sequence-states.ts";
import { activeSequences, freshRequests, numTakenSlots, numUnfinished, queueBehind } from "./slots.ts";
import type { StatusFigures } from "./status-board.ts";
import { executionBatch, samplingBatch } from "./step-batches.ts";
import { StepBuilder } from "./step-builder.ts";
import { checkResult, type PlannedStep, StepCommit } from "./step-commit.ts";
import type { EngineRequest, ExecutionBatch, SamplingBatch, StepOutput, StepResult } from "./step-plan.ts";

export type { SchedulerOptions };

/**
 * Continuous batching over paged KV: decodes first, then prefill chunks under a token budget, oldest first; out of
 * pages, the youngest gives way.
 *
 * @example
 * ```ts
 * const scheduler = new Scheduler(options, new KvCache({ numPages: 64, pageSize: 16, prefixCache: true }));
 * scheduler.add(request);
 * for (let step = scheduler.plan(); step !== null; step = scheduler.plan()) {
 *   const result = await compute(step.execution, step.sampling);
 *   publish(scheduler.commit(result));
 * }
 * ```
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #limits: FinishLimits;
  readonly #policy: AdmissionPolicy;
  readonly #phases: PhaseChooser;
  readonly #kv: KvCache;
  readonly #states: SequenceStates;
  readonly #counters: SchedulerCounters = createCounters();
  #inFlight: PlannedStep | null = null;
  #nextSequence = 1;
  #nextStep = 1;

  /**
   * @param kv the pages; no other scheduler uses them
   * @throws TroupeError `internal` on limits that let nothing run
   */
  constructor(options: SchedulerOptions, kv: KvCache) {
    checkOptions(options);
    this.#options = options;
    this.#kv = kv;
    this.#limits = { eosTokenIds: options.eosTokenIds, maxTokens: maxSequenceTokens(options, kv) };
    this.#policy = ADMISSION_POLICIES[options.policy];
    this.#phases = createPhaseChooser(options.batching, options.maxNumSeqs);
    this.#states = new SequenceStates(kv);
  }

  /**
   * Takes a request in; it runs from one of the next plans on, a resumed one from the tokens it brings.
   *
   * @param options.isResubmission it was admitted before a restart, so the queue limit does not apply
   * @param options.nowMs when it came, on the clock of {@link plan}
   * @throws TroupeError `invalid_request`, `prompt_too_long`, `queue_full`; nothing has changed then
   */
  add(
    asked: EngineRequest,
    options: { readonly isResubmission?: boolean; readonly nowMs?: number } = {},
  ): void {
    const request = withAnswerLimit(asked, this.#options);
    checkRequest(request, this.#options, this.#limits.maxTokens);
    const { requestId, params } = request;
    if (this.#states.groups.has(requestId))
      throw new TroupeError("invalid_request", `Request id "${requestId}" is in use; choose another.`, {
        details: { requestId },
      });
    if (options.isResubmission !== true) this.#checkQueue(params.bestOf);
    this.#states.addGroup(this.#createGroup(request, options.nowMs ?? 0));
  }

  /**
   * Ends a request, or one of its answers; the pages are free before the next plan, and no output follows.
   *
   * @returns false when there was nothing to end
   */
  cancel(requestId: string, index?: number): boolean {
    const group = this.#states.groups.get(requestId);
    const wanted = group?.wanted.filter((answer) => index === undefined || answer.index === index) ?? [];
    for (const answer of wanted) this.#states.drop(answer);
    return wanted.length > 0;
  }

  /** Leaves a request out of the coming steps; it keeps its pages until others need them. False for an unknown one. */
  pause(requestId: string): boolean {
    return this.#setPaused(requestId, true);
  }

  /** Ends a pause. False for an unknown request. */
  resume(requestId: string): boolean {
    return this.#setPaused(requestId, false);
  }

  /**
   * The next step, or null when nothing can run: nothing is there, all is paused, or a batch waits for more
   * ({@link timeToBatch}).
   *
   * @param nowMs the time on any clock, always the same one; it matters with batching.prefillDelayMs only
   * @throws TroupeError `internal` while a step is in flight
   */
  plan(nowMs = 0): { readonly execution: ExecutionBatch; readonly sampling: SamplingBatch } | null {
    invariant(this.#inFlight === null, "plan() before the step in flight was committed");
    const step = new StepBuilder(this.#options);
    for (const phase of this.#phasesToTry(nowMs)) {
      this.#scheduleRunning(step, phase);
      if (phase !== "decode") this.#admitWaiting(step, nowMs);
      if (!step.isEmpty) return this.#launch(step);
    }
    return null;
  }

  /** When to plan again though nothing happens: once the requests that wait for others have waited long enough. */
  timeToBatch(nowMs: number): number | null {
    if (!this.#policy.mayAdmit(numUnfinished(this.#states))) return null;
    return this.#timeToClose(nowMs) || null;
  }

  /**
   * Takes the result of the planned step.
   *
   * @returns what the text stage has to know
   * @throws TroupeError `internal` when the result does not match the step; nothing has changed then
   */
  commit(result: StepResult): StepOutput {
    const step = this.#inFlight;
    invariant(step !== null, `commit of step ${result.step}, but none is in flight`);
    checkResult(step, result, this.#options.vocabSize);
    this.#inFlight = null;
    const commit = new StepCommit(this.#states, result, this.#limits, this.#counters);
    for (const failure of result.failures) commit.fail(step.chunks, failure);
    for (const chunk of step.chunks) commit.commit(chunk);
    this.#counters.steps++;
    return commit.output;
  }

  /** The figures of this moment. Running sequences hold pages, paused ones among them. */
  status(): StatusFigures {
    return {
      numRunning: this.#states.running.size,
      numWaiting: this.#states.waiting.size,
      numPages: this.#kv.numPages,
      numFreePages: this.#kv.numFreePages,
      ...this.#counters,
    };
  }

  /** Every sequence that is not gone, by request. */
  report(): SequenceReport[] {
    return [...this.#states.groups.values()].flatMap(({ answers }) =>
      answers.filter(({ state }) => state !== "gone").map(reportSequence),
    );
  }

  /** The phase that is chosen, and what to do instead when it has nothing that can run. */
  #phasesToTry(nowMs: number): readonly Phase[] {
    if (this.#options.batching.phases === "mixed") return ["mixed"];
    const active = activeSequences(this.#states, this.#options.maxNumSeqs);
    const numDecodes = active.filter((sequence) => sequence.isDecode).length;
    const hasPrompts = numDecodes < active.length || this.#mayAnyEnter(nowMs);
    const phase = this.#phases.next(numDecodes, hasPrompts);
    return phase === "prefill" ? ["prefill", "decode"] : ["decode", "prefill"];
  }

  #mayAnyEnter(nowMs: number): boolean {
    const mayAdmit = this.#mayAdmit(nowMs);
    for (const sequence of this.#states.waiting)
      if (!sequence.group.isPaused && (mayAdmit || sequence.hasEntered)) return true;
    return false;
  }

  /** Whether requests that never ran may enter now. */
  #mayAdmit(nowMs: number): boolean {
    return this.#policy.mayAdmit(numUnfinished(this.#states)) && this.#timeToClose(nowMs) === 0;
  }

  #timeToClose(nowMs: number): number {
    const { batching, maxNumSeqs, maxNumBatchedTokens: numTokens } = this.#options;
    if (batching.prefillDelayMs === 0) return 0;
    const numFreeSlots = maxNumSeqs - numTakenSlots(this.#states);
    return timeToClose(freshRequests(this.#states), batching, { numFreeSlots, numTokens }, nowMs);
  }

  /** Running sequences by age, so that a page shortage is always met by a younger one that this step has not touched. */
  #scheduleRunning(step: StepBuilder, phase: Phase): void {
    const active = activeSequences(this.#states, this.#options.maxNumSeqs).filter(
      ({ isDecode }) => phase === "mixed" || isDecode === (phase === "decode"),
    );
    let numDecodesAhead = active.filter((sequence) => sequence.isDecode).length;
    // one for each at least, or none: with many streams a guess costs as much as a token
    const draftShare = Math.floor(this.#options.maxDraftTokens / Math.max(1, numDecodesAhead));
    let numMayGiveWay = this.#options.batching.maxPreemptions ?? Number.POSITIVE_INFINITY;
    for (const sequence of active) {
      if (sequence.isDecode) numDecodesAhead--;
      if (sequence.state !== "running") continue; // gave way to an older one
      const numTokens = step.chunkLength(sequence, numDecodesAhead);
      const before = this.#counters.preemptions;
      // the first of a step is never held up, so the oldest always moves on
      const limit = step.isEmpty ? Number.POSITIVE_INFINITY : numMayGiveWay;
      if (numTokens === 0) step.holdUpPrompts();
      else if (this.#makeRoom(sequence, numTokens, step.pageCopies, limit)) {
        const maxDraft = Math.min(draftShare, step.draftLength(numDecodesAhead));
        step.add(sequence, numTokens, this.#draftOf(sequence, maxDraft, step.pageCopies));
      }
      numMayGiveWay -= this.#counters.preemptions - before;
    }
  }

  /** Waiting sequences by age. One that does not fit holds up those behind it, else a large one would never enter. */
  #admitWaiting(step: StepBuilder, nowMs: number): void {
    const mayAdmit = this.#mayAdmit(nowMs);
    let numFreeSlots = this.#options.maxNumSeqs - numTakenSlots(this.#states);
    for (const sequence of [...this.#states.waiting]) {
      if (sequence.group.isPaused || !(mayAdmit || sequence.hasEntered)) continue;
      if (step.isFull && !this.#policy.admitsBeyondBudget) break;
      numFreeSlots -= sequence.numSlots;
      if (numFreeSlots < 0 || !this.#enter(sequence)) break;
      const numTokens = step.chunkLength(sequence, 0);
      if (numTokens === 0) step.holdUpPrompts();
      else step.add(sequence, numTokens);
    }
  }

  /** What may come behind the token of a decode, with pages for it; nobody gives way for a guess. */
  #draftOf(sequence: Sequence, maxLength: number, pageCopies: number[]): Int32Array {
    // those that run need a page each sooner or later
    const hasRoom = maxLength > 0 && this.#kv.numFreePages > this.#states.running.size;
    if (!sequence.isDecode || !hasRoom) return NO_DRAFT;
    const draft = proposeDraft(sequence, maxLength, this.#limits);
    const { kv, numTokens } = sequence;
    return kv.table.reserve(numTokens, numTokens + draft.length, pageCopies) ? draft : NO_DRAFT;
  }

  #launch(builder: StepBuilder): PlannedStep {
    const step = this.#nextStep++;
    const chunks = builder.chunks;
    for (const { sequence } of chunks) sequence.isInFlight = true;
    this.#inFlight = {
      chunks,
      execution: executionBatch(step, chunks, builder.pageCopies),
      sampling: samplingBatch(step, chunks, this.#states.takeReleased(), this.#limits),
    };
    return this.#inFlight;
  }

  /**
   * Pages for the next tokens of a running sequence; up to `limit` of the youngest others give theirs. False when it had
   * to itself, or sits the step out.
   */
  #makeRoom(sequence: Sequence, numTokens: number, pageCopies: number[], limit: number): boolean {
    const { kv, numComputed } = sequence;
    for (let left = limit; !kv.table.reserve(numComputed, numComputed + numTokens, pageCopies); left--) {
      if (left <= 0) return false;
      const victim = this.#pausedVictim() ?? this.#states.running.at(-1);
      invariant(victim !== undefined, `sequence ${sequence.number} has no page, but nobody runs`);
      this.#preempt(victim);
      if (victim === sequence) return false;
    }
    return true;
  }

  /** Pages for all tokens of a waiting sequence; only paused ones give theirs. */
  #enter(sequence: Sequence): boolean {
    // a page for each that runs to grow into, else the newcomer would soon give way again
    const numSpare = numTakenSlots(this.#states);
    while (!this.#states.enter(sequence, numSpare)) {
      const victim = this.#pausedVictim();
      if (victim === undefined) return false;
      this.#preempt(victim);
    }
    return true;
  }

  #preempt(victim: Sequence): void {
    this.#counters.preemptions++;
    this.#states.preempt(victim);
  }

  #pausedVictim(): Sequence | undefined {
    return this.#states.running.findYoungest((sequence) => sequence.group.isPaused);
  }

  /** @throws TroupeError `queue_full` when the request would wait behind maxQueuedRequests others */
  #checkQueue(numSlots: number): void {
    const { maxNumSeqs, maxQueuedRequests: limit } = this.#options;
    const mayAdmit = this.#policy.mayAdmit(numUnfinished(this.#states));
    const numFree = mayAdmit ? maxNumSeqs - numTakenSlots(this.#states) : 0;
    const { numQueued, numFreeSlots } = queueBehind(this.#states, numFree);
    if (numSlots <= numFreeSlots || numQueued < limit) return;
    throw new TroupeError("queue_full", `${numQueued} requests wait, the limit is ${limit}; retry later.`, {
      details: { numWaiting: numQueued, limit },
    });
  }

  #createGroup(request: EngineRequest, arrivedMs: number): RequestGroup {
    const group = new RequestGroup(request, arrivedMs);
    for (let index = 0; index < request.params.bestOf; index++) {
      const number = this.#nextSequence++;
      const answer = new Sequence({ number, group, index, kv: this.#kv.open(number) });
      answer.isWanted = finishOf(answer, this.#limits) === null;
      group.answers.push(answer);
    }
    if (group.numWanted > 0) return group;
    const what = `Request "${request.requestId}" resumes, but all its answers have ended.`;
    throw new TroupeError("invalid_request", what, { details: { requestId: request.requestId } });
  }

  #setPaused(requestId: string, isPaused: boolean): boolean {
    const group = this.#states.groups.get(requestId);
    if (group !== undefined) group.isPaused = isPaused;
    return group !== undefined;
  }
}
