/**
 * Instances of one servable on their way to its workers: those of several clients share a message, each client gets its own
 * results in order. A worker has so many at most, so what it takes with it when it dies is little.
 */
import { toTroupeError } from "../errors/troupe-error.ts";
import { type Failure, failureOf, type InstanceResult } from "./status.ts";
import type { Value } from "./tensor.ts";

/** Takes instances to a worker. Rejects when it is gone or gives no answer. */
export type SendBatch = (
  worker: number,
  method: string,
  instances: readonly (readonly Value[])[],
) => Promise<readonly InstanceResult[]>;

/** What a queue is made of. */
export interface InstanceQueueOptions {
  readonly numWorkers: number;
  /** The most instances of one message. */
  readonly batchSize: number;
  /** Instances that a worker may have at a time; at least two batches keep it busy. */
  readonly maxOutstanding: number;
  readonly send: SendBatch;
}

interface Pending {
  readonly inputs: readonly Value[];
  readonly settle: (result: InstanceResult) => void;
}

interface Worker {
  isUp: boolean;
  numOutstanding: number;
}

/** @see the module header */
export class InstanceQueue {
  readonly #batchSize: number;
  readonly #maxOutstanding: number;
  readonly #send: SendBatch;
  readonly #workers: readonly Worker[];
  /** By method, the one that was served last at the end. */
  readonly #waiting = new Map<string, Set<Pending>>();
  #lastWorker = 0;
  #closed: Failure | null = null;

  constructor(options: InstanceQueueOptions) {
    this.#maxOutstanding = options.maxOutstanding;
    this.#batchSize = options.batchSize;
    this.#send = options.send;
    this.#workers = Array.from({ length: options.numWorkers }, () => ({ isUp: true, numOutstanding: 0 }));
  }

  /** Instances that no worker has yet. */
  get numWaiting(): number {
    return [...this.#waiting.values()].reduce((sum, pending) => sum + pending.size, 0);
  }

  /** Whether a worker could take instances, or will be able to again. */
  get isOpen(): boolean {
    return this.#closed === null;
  }

  /** Workers that could take instances. */
  get numWorkersUp(): number {
    return this.#workers.filter(({ isUp }) => isUp).length;
  }

  /**
   * @param instances each a value for every input of the method
   * @param signal aborting settles all at once: those that wait are dropped, results of the others are not waited for
   * @returns a result for each; never rejects
   */
  submit(
    method: string,
    instances: readonly (readonly Value[])[],
    signal: AbortSignal,
  ): Promise<InstanceResult[]> {
    const own: Pending[] = [];
    const results = instances.map((inputs) => {
      const { promise, resolve } = Promise.withResolvers<InstanceResult>();
      own.push({ inputs, settle: resolve });
      return promise;
    });
    const waiting = this.#waiting.get(method) ?? new Set();
    this.#waiting.set(method, waiting);
    const drop = (): void => {
      const failure = failureOf(toTroupeError(signal.reason));
      for (const pending of own) {
        waiting.delete(pending);
        pending.settle({ kind: "failed", failure });
      }
    };
    for (const pending of own) waiting.add(pending);
    if (signal.aborted) drop();
    else signal.addEventListener("abort", drop, { once: true });
    this.#dispatch();
    return Promise.all(results).finally(() => signal.removeEventListener("abort", drop));
  }

  /** A worker died, or is back. */
  setUp(worker: number, isUp: boolean): void {
    this.#workers[worker]!.isUp = isUp;
    this.#dispatch();
  }

  /** No worker will be back: what waits fails, and whatever comes. */
  close(failure: Failure): void {
    this.#closed = failure;
    this.#dispatch();
  }

  #dispatch(): void {
    if (this.#closed !== null) this.#failAll(this.#closed);
    for (;;) {
      const method = this.#nextMethod();
      const worker = this.#freestWorker();
      if (method === null || worker === null) return;
      const free = this.#freeSlots(this.#workers[worker]!);
      void this.#sendTo(worker, method, this.#take(method, Math.min(free, this.#batchSize)));
    }
  }

  #nextMethod(): string | null {
    for (const [method, pending] of this.#waiting) if (pending.size > 0) return method;
    return null;
  }

  #take(method: string, count: number): Pending[] {
    const waiting = this.#waiting.get(method)!;
    const taken: Pending[] = [];
    for (const pending of waiting) {
      if (taken.length === count) break;
      taken.push(pending);
      waiting.delete(pending);
    }
    this.#waiting.delete(method);
    this.#waiting.set(method, waiting);
    return taken;
  }

  /** In turn among those with the most room. */
  #freestWorker(): number | null {
    const { length } = this.#workers;
    let best: number | null = null;
    for (let offset = 1; offset <= length; offset++) {
      const index = (this.#lastWorker + offset) % length;
      const free = this.#freeSlots(this.#workers[index]!);
      if (free > 0 && (best === null || free > this.#freeSlots(this.#workers[best]!))) best = index;
    }
    return best;
  }

  #freeSlots({ isUp, numOutstanding }: Worker): number {
    return isUp ? this.#maxOutstanding - numOutstanding : 0;
  }

  async #sendTo(index: number, method: string, batch: readonly Pending[]): Promise<void> {
    const worker = this.#workers[index]!;
    this.#lastWorker = index;
    worker.numOutstanding += batch.length;
    let results: readonly InstanceResult[];
    try {
      results = await this.#send(
        index,
        method,
        batch.map(({ inputs }) => inputs),
      );
    } catch (error) {
      const failure = failureOf(error);
      results = batch.map(() => ({ kind: "failed", failure }));
    }
    worker.numOutstanding -= batch.length;
    for (const [position, { settle }] of batch.entries()) settle(results[position]!);
    this.#dispatch();
  }

  #failAll(failure: Failure): void {
    for (const waiting of this.#waiting.values()) {
      for (const { settle } of waiting) settle({ kind: "failed", failure });
      waiting.clear();
    }
  }
}
