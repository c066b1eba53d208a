/** Times one generation by its events. Knows no metrics library: it calls what it is given. */
import type { Clock } from "../core/clock.ts";
import type { ErrorCode } from "../errors/error-codes.ts";
import type { GenerationEvent, Usage } from "../protocol/engine.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";

/** What is measured about requests. */
export interface RequestObservations {
  /** Once for every request, before anything else. */
  received(): void;
  firstToken(seconds: number): void;
  /** Once for every token of an answer but its first. */
  outputToken(seconds: number): void;
  /** How long the prompt waited for its first step. */
  queued(seconds: number): void;
  finish(reason: FinishReason): void;
  fail(code: ErrorCode): void;
  done(seconds: number, usage: Usage): void;
}

/** Takes the events of one generation, in order. */
export class RequestMeter {
  readonly #clock: Clock;
  readonly #observations: RequestObservations;
  readonly #startMs: number;
  /** When each answer's last token came. */
  readonly #lastMs = new Map<number, number>();
  #isOver = false;

  constructor(clock: Clock, observations: RequestObservations) {
    this.#clock = clock;
    this.#observations = observations;
    this.#startMs = clock.now();
    observations.received();
  }

  event(event: GenerationEvent): void {
    if (event.kind === "delta") this.#tokens(event.index, event.tokenIds.length);
    else if (event.kind === "finish") this.#observations.finish(event.finishReason);
    else if (event.kind === "done") {
      if (event.queueMs != null) this.#observations.queued(event.queueMs / 1000);
      this.#done(event.usage);
    }
  }

  /** No effect after the `done` event. */
  failed(code: ErrorCode): void {
    if (!this.#isOver) this.#observations.fail(code);
    this.#isOver = true;
  }

  #done(usage: Usage): void {
    this.#isOver = true;
    this.#observations.done(this.#secondsSince(this.#startMs), usage);
  }

  #tokens(index: number, numTokens: number): void {
    if (numTokens === 0) return;
    const last = this.#lastMs.get(index);
    if (this.#lastMs.size === 0) this.#observations.firstToken(this.#secondsSince(this.#startMs));
    if (last !== undefined) {
      const seconds = this.#secondsSince(last) / numTokens;
      for (let i = 0; i < numTokens; i++) this.#observations.outputToken(seconds);
    }
    this.#lastMs.set(index, this.#clock.now());
  }

  #secondsSince(ms: number): number {
    return (this.#clock.now() - ms) / 1000;
  }
}

/** Tells several observers the same. */
export function joinObservations(all: readonly RequestObservations[]): RequestObservations {
  const toAll =
    <Key extends keyof RequestObservations>(key: Key) =>
    (...values: Parameters<RequestObservations[Key]>): void => {
      for (const each of all) (each[key] as (...values: unknown[]) => void)(...values);
    };
  return {
    received: toAll("received"),
    firstToken: toAll("firstToken"),
    outputToken: toAll("outputToken"),
    queued: toAll("queued"),
    finish: toAll("finish"),
    fail: toAll("fail"),
    done: toAll("done"),
  };
}
