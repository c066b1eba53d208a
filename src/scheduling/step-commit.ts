/** Brings a step's result home: tokens to their sequences, pages to the prefix cache, news to the text stage. */
import { NO_TOKEN } from "../core/no-token.ts";
import { invariant } from "../errors/troupe-error.ts";
import { type Finish, type FinishLimits, finishOf } from "./finish-check.ts";
import type { RequestGroup } from "./request-group.ts";
import type { SchedulerCounters } from "./scheduler-counters.ts";
import type { Sequence } from "./sequence.ts";
import type { SequenceStates } from "./sequence-states.ts";
import type { ScheduledChunk } from "./step-builder.ts";
import type { ExecutionBatch, SamplingBatch, SequenceFailure, StepOutput, StepResult } from "./step-plan.ts";

/** A step on its way. */
export interface PlannedStep {
  readonly execution: ExecutionBatch;
  readonly sampling: SamplingBatch;
  readonly chunks: readonly ScheduledChunk[];
}

/** The arrays of a StepOutput while they are filled. */
type OutputInTheMaking = {
  readonly [Key in "sequences" | "prompts" | "started" | "failures"]: StepOutput[Key][number][];
};

/** @throws TroupeError `internal` when the result does not answer the planned step; nothing has changed then */
export function checkResult(step: PlannedStep, result: StepResult, vocabSize: number): void {
  const { draws, drafts, promptScorings } = step.sampling;
  invariant(
    result.step === step.execution.step,
    `result of step ${result.step}, not of ${step.execution.step}`,
  );
  invariant(
    result.tokenIds.length === draws.length / 2,
    `${result.tokenIds.length} tokens for ${draws.length / 2} draws`,
  );
  const failed = new Set(result.failures.map(({ sequence }) => sequence));
  const isMade = (draw: number) => drafts[draw] === NO_TOKEN || result.tokenIds[draw - 1] === drafts[draw];
  const isRight = (id: number, draw: number) => (isMade(draw) ? id >= 0 && id < vocabSize : id === NO_TOKEN);
  invariant(
    result.tokenIds.every((id, draw) => failed.has(draws[2 * draw]!) || isRight(id, draw)),
    `a drawn token is not in 0 to ${vocabSize - 1}, or stands behind a wrong draft`,
  );
  invariant(
    result.logprobs === null || result.logprobs.length === result.tokenIds.length,
    "logprobs do not match the draws",
  );
  const lengths = promptScorings.map(({ targets }) => targets.length);
  const isComplete = lengths.every((length, index) => result.promptLogprobs[index]?.length === length);
  invariant(
    isComplete && result.promptLogprobs.length === lengths.length,
    "prompt logprobs do not match the prompt scorings",
  );
}

/** Applies a checked result to the sequences of the step. */
export class StepCommit {
  readonly #states: SequenceStates;
  readonly #result: StepResult;
  readonly #limits: FinishLimits;
  readonly #counters: SchedulerCounters;
  readonly #output: OutputInTheMaking = { sequences: [], prompts: [], started: [], failures: [] };
  readonly #failed = new Set<RequestGroup>();
  /** The next one of the result. */
  #draw = 0;
  #scoring = 0;

  constructor(states: SequenceStates, result: StepResult, limits: FinishLimits, counters: SchedulerCounters) {
    this.#states = states;
    this.#result = result;
    this.#limits = limits;
    this.#counters = counters;
  }

  get output(): StepOutput {
    return { step: this.#result.step, ...this.#output };
  }

  /** Ends the request of a sequence that nothing can be drawn from; before any chunk is committed. */
  fail(chunks: readonly ScheduledChunk[], { sequence: number, ...failure }: SequenceFailure): void {
    const members = chunks.flatMap(({ sequence, drawn }) => [sequence, ...drawn]);
    const group = members.find((member) => member.number === number)?.group;
    invariant(group !== undefined, `sequence ${number} failed in a step it is not part of`);
    if (this.#failed.has(group) || group.numWanted === 0) return;
    this.#failed.add(group);
    this.#output.failures.push({ requestId: group.requestId, ...failure });
    for (const answer of group.answers) if (answer.isWanted) this.#states.drop(answer);
  }

  commit(chunk: ScheduledChunk): void {
    const { sequence } = chunk;
    sequence.numComputed += chunk.numTokens;
    if (!this.#failed.has(sequence.group)) this.#states.publish(sequence);
    this.#start(sequence);
    this.#score(chunk);
    this.#takeDraws(chunk);
    this.#states.settle(sequence);
  }

  #start({ group, state, numPromptTokens }: Sequence): void {
    if (group.isStarted || state === "gone") return;
    group.isStarted = true;
    this.#counters.promptTokens += numPromptTokens;
    this.#counters.prefixCacheQueries += group.numLookedUpTokens;
    this.#counters.prefixCacheHits += group.numCachedTokens;
    this.#output.started.push({ requestId: group.requestId, numCachedTokens: group.numCachedTokens });
  }

  #score({ sequence, scored }: ScheduledChunk): void {
    const { group, state } = sequence;
    if (scored.to > scored.from) group.scores?.add(this.#result.promptLogprobs[this.#scoring++]!);
    if (group.scores === null || !group.scores.isComplete || state === "gone") return;
    this.#output.prompts.push({ requestId: group.requestId, logprobs: group.scores.entries });
    group.scores = null;
  }

  #takeDraws({ sequence: carrier, drawn, draft }: ScheduledChunk): void {
    if (drawn.length === 0) return;
    const { group } = carrier;
    const isFork = !group.isForked;
    group.isForked = true;
    for (const answer of drawn) if (answer.isWanted && answer !== carrier) this.#states.fork(carrier, answer);
    for (const answer of drawn) this.#take(answer, draft.length);
    if (isFork && !carrier.isWanted && carrier.state !== "gone") this.#states.retire(carrier);
  }

  /** What was drawn for an answer: a token, and one more behind each of its draft that was right. */
  #take(answer: Sequence, draftLength: number): void {
    const first = this.#draw;
    this.#draw += 1 + draftLength;
    if (!answer.isWanted) return;
    const { tokenIds, finish } = this.#append(answer, this.#result.tokenIds.subarray(first, this.#draw));
    const numAccepted = tokenIds.length - 1;
    answer.draftPace.record(draftLength, numAccepted);
    this.#counters.generationTokens += tokenIds.length;
    this.#counters.draftTokens += draftLength;
    this.#counters.acceptedTokens += numAccepted;
    if (numAccepted > 0) this.#states.publish(answer);
    const scored = this.#result.logprobs?.slice(first, first + tokenIds.length) ?? [];
    const logprobs = scored.filter((entry) => entry !== null);
    this.#output.sequences.push({
      requestId: answer.group.requestId,
      index: answer.index,
      tokenIds,
      logprobs: logprobs.length === 0 ? null : logprobs,
      finishReason: finish?.reason ?? null,
      stopTokenId: finish?.stopTokenId ?? null,
    });
    if (finish !== null) this.#states.drop(answer);
  }

  /** Up to the token that ends the answer; nothing counts behind it. */
  #append(
    answer: Sequence,
    drawn: Int32Array,
  ): { readonly tokenIds: number[]; readonly finish: Finish | null } {
    const tokenIds: number[] = [];
    let finish: Finish | null = null;
    for (const tokenId of drawn) {
      if (tokenId === NO_TOKEN || finish !== null) break;
      // the one before it was guessed, and so computed in this step
      if (tokenIds.length > 0) answer.numComputed++;
      answer.append(tokenId);
      tokenIds.push(tokenId);
      finish = finishOf(answer, this.#limits);
    }
    return { tokenIds, finish };
  }
}
