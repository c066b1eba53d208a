/** Tokens per second over the last whole window of five seconds, as vLLM's legacy gauges show them. */
import type { Clock, Timer } from "../core/clock.ts";
import type { EngineCounters } from "../protocol/engine.ts";

/** Length of a window. */
export const THROUGHPUT_WINDOW_MS = 5_000;

/** Reads totals every five seconds until it is closed. */
export class ThroughputWindow {
  readonly #clock: Clock;
  readonly #read: () => EngineCounters;
  #startMs: number;
  #before: EngineCounters;
  #timer: Timer;
  /** Of the last whole window; 0 before its end. */
  promptTokensPerSecond = 0;
  generationTokensPerSecond = 0;

  constructor(clock: Clock, read: () => EngineCounters) {
    this.#clock = clock;
    this.#read = read;
    this.#startMs = clock.now();
    this.#before = read();
    this.#timer = this.#schedule();
  }

  /** Ends the timer. */
  close(): void {
    this.#timer.cancel();
  }

  #schedule(): Timer {
    return this.#clock.schedule(THROUGHPUT_WINDOW_MS, () => {
      this.#turn();
      this.#timer = this.#schedule();
    });
  }

  #turn(): void {
    const [now, totals] = [this.#clock.now(), this.#read()];
    const seconds = (now - this.#startMs) / 1000;
    // a restarted kv-store has a fresh board: its totals begin at zero again
    const rate = (key: "promptTokens" | "generationTokens"): number =>
      Math.max(0, totals[key] - this.#before[key]) / seconds;
    this.promptTokensPerSecond = rate("promptTokens");
    this.generationTokensPerSecond = rate("generationTokens");
    this.#startMs = now;
    this.#before = totals;
  }
}
