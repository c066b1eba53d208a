/** A clock that only moves when a test moves it. */
import type { Clock, Timer } from "./clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * @example
 * ```ts
 * const clock = new ManualClock();
 * clock.schedule(100, () => console.log("due"));
 * clock.advance(100); // due
 * ```
 */
export class ManualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();

  now(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const entry: Pending = { dueMs: this.#nowMs + delayMs, order: this.#order++, callback };
    this.#pending.add(entry);
    return { cancel: () => void this.#pending.delete(entry) };
  }

  /** Moves time forward and runs what falls due, in order, including timers set meanwhile. */
  advance(byMs: number): void {
    const target = this.#nowMs + byMs;
    for (;;) {
      const due = [...this.#pending]
        .filter((entry) => entry.dueMs <= target)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.#pending.delete(due);
      this.#nowMs = due.dueMs;
      due.callback();
    }
    this.#nowMs = target;
  }

  /** Timers that have not fired or been cancelled. */
  get numPending(): number {
    return this.#pending.size;
  }
}
