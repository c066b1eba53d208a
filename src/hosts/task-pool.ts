/**
 * The adapter of piscina: a fixed number of worker threads that run the tasks of one module. The queue is bounded, errors
 * keep their codes, and a worker that dies fails only the tasks it was running; the pool starts another.
 */
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import { type Task, type TaskResult, taskValue } from "./task-result.ts";

/** How a pool is set up. */
export interface TaskPoolOptions {
  /** For messages: `tokenizer pool`. */
  readonly name: string;
  /** The module whose exports are the tasks. */
  readonly module: URL;
  readonly threads: number;
  /** Tasks one worker takes at once; above 1 where they wait for something outside the JavaScript thread. Default 1. */
  readonly tasksPerThread?: number;
  /** Tasks that may wait for a worker; the next one is refused. */
  readonly maxQueued: number;
  /** What the module finds as `workerData` of node:worker_threads. */
  readonly workerData?: unknown;
}

/** The tasks of a module: `typeof import("./the-module.ts")`. */
type Tasks<T> = { readonly [K in keyof T]: Task<never, unknown> };
type Input<T> = T extends Task<infer I, unknown> ? I : never;
type Output<T> = T extends Task<never, infer O> ? O : never;

/**
 * @example
 * ```ts
 * const pool = new TaskPool<typeof import("./sums.ts")>({
 *   name: "sums", module: new URL("./sums.ts", import.meta.url), threads: 2, maxQueued: 64,
 * });
 * await pool.run("double", 21); // 42
 * await pool.close();
 * ```
 */
export class TaskPool<T extends Tasks<T>> {
  readonly #options: TaskPoolOptions;
  readonly #capacity: number;
  readonly #piscina: Piscina;
  /** Rejects each task in flight. */
  readonly #inFlight = new Set<(error: TroupeError) => void>();
  #closed: Promise<void> | null = null;

  constructor(options: TaskPoolOptions) {
    const { threads, tasksPerThread = 1, maxQueued } = options;
    this.#options = options;
    this.#capacity = threads * tasksPerThread;
    this.#piscina = new Piscina({
      filename: fileURLToPath(options.module),
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: tasksPerThread,
      // The bound that counts is checked in run(): piscina's own refusal has no code.
      maxQueue: this.#capacity + maxQueued,
      // The other modes park the worker in Atomics.wait, which freezes its event loop, to save 8 microseconds a task.
      atomics: "disabled",
      recordTiming: false,
      workerData: options.workerData,
    });
    this.#piscina.on("error", (error: unknown) => this.#onIdleWorkerDeath(error));
  }

  /** Tasks waiting for a worker. */
  get numQueued(): number {
    return Math.max(0, this.#inFlight.size - this.#capacity);
  }

  /** Tasks that workers are running. */
  get numRunning(): number {
    return Math.min(this.#capacity, this.#inFlight.size);
  }

  /**
   * Runs one task. It cannot be cancelled: piscina would have to end the worker and all it has loaded.
   *
   * @throws TroupeError `queue_full`, `not_ready` once closed, `actor_down` when the worker died; and what the task throws
   */
  async run<K extends keyof T & string>(name: K, input: Input<T[K]>): Promise<Output<T[K]>> {
    this.#refuseIfUnable();
    try {
      return taskValue(await this.#submit<Output<T[K]>>(name, input));
    } catch (error) {
      throw toTroupeError(error);
    }
  }

  /** Refuses new tasks, lets those in flight end, and ends the workers. */
  close(): Promise<void> {
    this.#closed ??= this.#piscina.close();
    return this.#closed;
  }

  async #submit<R>(name: string, input: unknown): Promise<TaskResult<R>> {
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.#inFlight.add(reject);
    try {
      return await Promise.race([this.#piscina.run(input, { name }), failed]);
    } catch (error) {
      throw error instanceof TroupeError ? error : this.#coded(error, name);
    } finally {
      this.#inFlight.delete(reject);
    }
  }

  #refuseIfUnable(): void {
    const { name, maxQueued } = this.#options;
    if (this.#closed !== null) throw new TroupeError("not_ready", `The ${name} is closed.`);
    if (this.#inFlight.size < this.#capacity + maxQueued) return;
    const message = `The ${name} has ${maxQueued} tasks waiting, its limit. Retry later, or raise the limit.`;
    throw new TroupeError("queue_full", message, { details: { limit: maxQueued } });
  }

  /** piscina starts another worker, unless the module itself cannot be loaded: then nobody would ever take the tasks. */
  #onIdleWorkerDeath(error: unknown): void {
    if (this.#piscina.threads.length > 0) return;
    const message = `The workers of the ${this.#options.name} cannot start: ${reasonOf(error)}`;
    const failure = new TroupeError("actor_init_failed", message, { cause: error });
    for (const reject of this.#inFlight) reject(failure);
  }

  #coded(error: unknown, task: string): TroupeError {
    const { name } = this.#options;
    if (error instanceof DOMException && error.name === "DataCloneError" && error.message !== "") {
      const message = `Task ${task} of the ${name} was given what cannot be sent between threads: ${error.message}`;
      return new TroupeError("internal", message, { cause: error });
    }
    const message = `A worker of the ${name} died during task ${task}: ${reasonOf(error)}`;
    return new TroupeError("actor_down", message, { cause: error });
  }
}

/** A DOMException that killed a worker arrives without its message; the stack still has it. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || (error.stack ?? error.name) : String(error);
}
