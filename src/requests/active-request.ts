/**
 * One request between its admission and its last event: what each answer has produced, the events that wait for the
 * client, and what to submit again when the engine had to restart. Knows nothing of threads or sockets.
 */
import { EventQueue } from "../core/event-queue.ts";
import type { GenerationEvent, TextLogprobs } from "../protocol/engine.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import type { EngineRequest, FinishReason } from "../scheduling/step-plan.ts";
import type { OutputState } from "../text/output-stream.ts";
import { type AnswerEvent, BestOfSelection, type EventSink } from "./best-of-selection.ts";

/** How and why an answer ended. */
export interface AnswerFinish {
  readonly finishReason: FinishReason;
  /** The stop string or stop token id that ended it; null for an end-of-sequence token or another reason. */
  readonly stopReason: string | number | null;
}

/** What one step added to one answer, as text. */
export interface AnswerUpdate {
  readonly index: number;
  /** Where the text stands now. */
  readonly output: OutputState | null;
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly TextLogprobs[] | null;
  readonly finish: AnswerFinish | null;
}

/** What a request is made of once its prompt is known in tokens. */
export interface ActiveRequestOptions {
  readonly requestId: string;
  readonly promptIds: Int32Array;
  readonly promptText: string | null;
  /** Where the text of each answer starts from; null without a tokenizer. */
  readonly output: OutputState | null;
  readonly params: SamplingParams;
  /** When it was sent, on the clock of {@link ActiveRequest.started}. */
  readonly submittedMs: number;
  /** Seed of answer 0, resolved: a restart must draw the same tokens again. */
  readonly seed: number;
  /** Called when the client falls behind and when it has caught up. */
  readonly onPause: () => void;
  readonly onResume: () => void;
}

interface Answer {
  readonly tokenIds: number[];
  output: OutputState | null;
  numShown: number;
  isFinished: boolean;
}

/** Events that may wait for a client before its sequences are paused, and how few let them go on. */
const HIGH_WATER_MARK = 64;
const LOW_WATER_MARK = 16;

/** @see ActiveRequestOptions */
export class ActiveRequest {
  readonly requestId: string;
  readonly params: SamplingParams;
  readonly #options: ActiveRequestOptions;
  readonly #answers: readonly Answer[];
  readonly #queue: EventQueue<GenerationEvent>;
  readonly #sink: EventSink;
  #numCachedTokens: number | null = null;
  #queueMs: number | null = null;
  #isPromptShown = false;
  #wasAdmitted = false;
  #isComplete = false;
  #submittedTo = 0;

  constructor(options: ActiveRequestOptions) {
    this.#options = options;
    this.requestId = options.requestId;
    this.params = options.params;
    this.#answers = Array.from({ length: options.params.bestOf }, () => ({
      tokenIds: [],
      output: options.output,
      numShown: 0,
      isFinished: false,
    }));
    this.#queue = new EventQueue({
      highWaterMark: HIGH_WATER_MARK,
      lowWaterMark: LOW_WATER_MARK,
      onHigh: options.onPause,
      onLow: options.onResume,
    });
    const emit = (event: AnswerEvent): void => this.#queue.push(event);
    this.#sink =
      options.params.bestOf > options.params.n
        ? new BestOfSelection({ params: options.params, emit })
        : { push: emit, complete: () => this.#numOutputTokens() };
  }

  /** The events, ending with `done` or throwing what the request failed with. */
  get events(): AsyncIterable<GenerationEvent> {
    return this.#queue;
  }

  /** True until `done` or a failure. */
  get isActive(): boolean {
    return this.#answers.some((answer) => !answer.isFinished);
  }

  /** True once all answers have ended by themselves. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** True while prompt log-probabilities were asked for and have not come. */
  get awaitsPromptLogprobs(): boolean {
    return this.params.promptLogprobs !== null && !this.#isPromptShown;
  }

  /** Answers that need no more tokens; a scheduler that gets `engineRequest()` again must be told. */
  get finishedAnswers(): readonly number[] {
    return this.#answers.flatMap((answer, index) => (answer.isFinished ? [index] : []));
  }

  /** True once answer `index` takes nothing more. */
  isFinished(index: number): boolean {
    return this.#answers[index]?.isFinished ?? true;
  }

  /** Where the text of answer `index` stands. */
  outputOf(index: number): OutputState | null {
    return this.#answers[index]?.output ?? null;
  }

  /** Whether the caller is the first to submit to the scheduler of that epoch; each gets the request once. */
  claimSubmission(epoch: number): boolean {
    if (this.#submittedTo === epoch) return false;
    this.#submittedTo = epoch;
    return true;
  }

  /** A scheduler took it in. Whatever happens from now on, it is never refused for lack of room. */
  admitted(): void {
    this.#wasAdmitted = true;
    if (this.params.promptLogprobs === null) this.showPrompt(null);
  }

  /** What to submit to a scheduler: the first time, and after every restart with the tokens there are. */
  engineRequest(): EngineRequest {
    const { requestId, promptIds, params, seed } = this.#options;
    const resumed = this.#answers.map((answer) => Int32Array.from(answer.tokenIds));
    return {
      requestId,
      promptIds,
      seed,
      params: {
        ...params,
        promptLogprobs: this.awaitsPromptLogprobs ? params.promptLogprobs : null,
        logprobs: params.bestOf > params.n ? (params.logprobs ?? 0) : params.logprobs,
      },
      ...(this.#wasAdmitted ? { resumed } : {}),
    };
  }

  /** The first time the prompt ran; a later one, after a restart, does not count. */
  started(numCachedTokens: number, atMs: number): void {
    this.#numCachedTokens ??= numCachedTokens;
    this.#queueMs ??= Math.max(0, atMs - this.#options.submittedMs);
  }

  /** Shows the prompt, once; with its log-probabilities when they were asked for. */
  showPrompt(promptLogprobs: readonly (TextLogprobs | null)[] | null): void {
    if (this.#isPromptShown) return;
    this.#isPromptShown = true;
    const { requestId, promptIds, promptText } = this.#options;
    this.#queue.push({
      kind: "prompt",
      requestId,
      promptIds: Array.from(promptIds),
      promptText,
      promptLogprobs,
    });
  }

  /** Remembers tokens as soon as they come from the engine, before they are text. */
  received(index: number, tokenIds: readonly number[]): void {
    this.#answers[index]?.tokenIds.push(...tokenIds);
  }

  /** Takes what a step gave an answer; nothing is taken after its end. */
  accept(update: AnswerUpdate): void {
    const answer = this.#answers[update.index];
    if (answer === undefined || answer.isFinished) return;
    const { index, text, tokenIds, logprobs, finish } = update;
    answer.output = update.output;
    const isFirst = answer.numShown === 0;
    answer.numShown += tokenIds.length;
    if (text !== "" || tokenIds.length > 0)
      this.#sink.push({
        kind: "delta",
        index,
        text,
        tokenIds,
        logprobs,
        ...(finish !== null && { isLast: true }),
        ...(isFirst && this.#queueMs !== null && { queueMs: this.#queueMs }),
      });
    if (finish === null) return;
    answer.isFinished = true;
    this.#sink.push({ kind: "finish", index, ...finish });
    if (!this.isActive) this.#complete();
  }

  /** Ends the request with an error for its client. */
  fail(error: unknown): void {
    for (const answer of this.#answers) answer.isFinished = true;
    this.#queue.fail(error);
  }

  #complete(): void {
    this.#isComplete = true;
    const numOutputTokens = this.#sink.complete();
    const numPromptTokens = this.#options.promptIds.length;
    this.#queue.push({
      kind: "done",
      usage: { numPromptTokens, numOutputTokens, numCachedTokens: this.#numCachedTokens ?? 0 },
      ...(this.#queueMs !== null && { queueMs: this.#queueMs }),
    });
    this.#queue.end();
  }

  #numOutputTokens(): number {
    return this.#answers.reduce((sum, answer) => sum + answer.numShown, 0);
  }
}
