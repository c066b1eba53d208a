/**
 * A barrier between the ranks of a model: nobody passes before everybody has come. It turns by a generation number, so
 * that a rank may come to the next one while others are still leaving this one. Whoever cannot go on poisons it, and
 * then everyone who waits or comes later is sent away with an error: a rank never waits for one that will not come.
 */
import { TroupeError } from "../errors/troupe-error.ts";

/** Why a barrier is out of use. */
export const POISON_REASONS = ["failed", "stopped", "timed-out"] as const;
/** One of {@link POISON_REASONS}. */
export type PoisonReason = (typeof POISON_REASONS)[number];

/** How one rank takes part. */
export interface RankBarrierOptions {
  /** From {@link createBarrierMemory}. */
  readonly memory: SharedArrayBuffer;
  readonly rank: number;
  readonly numRanks: number;
  /** A wait longer than this means that a rank hangs. */
  readonly timeoutMs: number;
  /** Asked while waiting; true ends the wait. */
  readonly shouldStop: () => boolean;
}

/** Words of the shared memory. */
const GENERATION = 0;
const NUM_ARRIVED = 1;
/** 0, or 1 + rank * number of reasons + reason of whoever poisoned it first. */
const POISON = 2;
const NUM_WORDS = 3;

/** The generation's sign; what counts up and wraps around is below it, and tells who had passed before the poison came. */
const POISONED = -0x80000000;
const COUNT = 0x7fffffff;

/** About 0.1 ms: ranks do equal work, so the last is seldom later, and waking a thread that sleeps takes as long. */
const NUM_SPINS = 20_000;
/** How often a waiting rank asks whether it should stop. */
const WAIT_SLICE_MS = 50;

/** Fresh memory for one barrier; a poisoned one is never used again. */
export function createBarrierMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(NUM_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** One rank's side of a barrier. */
export class RankBarrier {
  readonly #words: Int32Array;
  readonly #options: RankBarrierOptions;

  constructor(options: RankBarrierOptions) {
    this.#options = options;
    this.#words = new Int32Array(options.memory);
  }

  /**
   * Waits until every rank has come here as often as this one.
   *
   * @throws TroupeError `engine_failed` when another rank poisoned it, `deadline_exceeded` when one does not come in
   * time, `not_ready` when `shouldStop` said so; the last two poison it.
   */
  meet(): void {
    const generation = Atomics.load(this.#words, GENERATION);
    if (generation < 0) throw this.#poisonError();
    if (Atomics.add(this.#words, NUM_ARRIVED, 1) + 1 === this.#options.numRanks) this.#open(generation);
    else this.#await(generation);
  }

  /** Sends everyone away who waits or comes later. The first reason counts. */
  poison(reason: PoisonReason): void {
    const code = 1 + this.#options.rank * POISON_REASONS.length + POISON_REASONS.indexOf(reason);
    Atomics.compareExchange(this.#words, POISON, 0, code);
    Atomics.or(this.#words, GENERATION, POISONED);
    Atomics.notify(this.#words, GENERATION);
  }

  #open(generation: number): void {
    Atomics.store(this.#words, NUM_ARRIVED, 0);
    const next = (generation + 1) & COUNT;
    // Never over a poison that came meanwhile.
    const found = Atomics.compareExchange(this.#words, GENERATION, generation, next);
    if (found !== generation) throw this.#poisonError();
    Atomics.notify(this.#words, GENERATION);
  }

  #await(generation: number): void {
    for (let spin = 0; spin < NUM_SPINS; spin++) {
      if (Atomics.load(this.#words, GENERATION) !== generation) break;
    }
    const deadlineMs = performance.now() + this.#options.timeoutMs;
    while (Atomics.load(this.#words, GENERATION) === generation) {
      if (this.#options.shouldStop()) {
        this.poison("stopped");
        throw new TroupeError(
          "not_ready",
          "The step was abandoned between two ranks: the engine is stopping.",
        );
      }
      if (performance.now() >= deadlineMs) throw this.#timedOut();
      Atomics.wait(this.#words, GENERATION, generation, Math.min(WAIT_SLICE_MS, this.#options.timeoutMs));
    }
    // A poison that came after everyone had met counts for the next time.
    if ((Atomics.load(this.#words, GENERATION) & COUNT) === generation) throw this.#poisonError();
  }

  #timedOut(): TroupeError {
    this.poison("timed-out");
    const { rank, numRanks, timeoutMs } = this.#options;
    return new TroupeError(
      "deadline_exceeded",
      `Rank ${rank} waited ${timeoutMs} ms for the other ${numRanks - 1}: one of them hangs. All ranks start again; if steps really take that long, raise engine.rankTimeoutMs.`,
      { details: { rank, timeoutMs } },
    );
  }

  #poisonError(): TroupeError {
    const code = Atomics.load(this.#words, POISON) - 1;
    const by = Math.floor(code / POISON_REASONS.length);
    const reason = POISON_REASONS[code % POISON_REASONS.length];
    return new TroupeError(
      "engine_failed",
      `Rank ${this.#options.rank} cannot go on: rank ${by} ${reason}.`,
      {
        details: { rank: this.#options.rank, by, reason },
      },
    );
  }
}
