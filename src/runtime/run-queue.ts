/**
 * Decides when the actors of one thread handle their next message: soon, but never so many in a row that timers and
 * sockets of the thread have to wait. Chains of microtasks would starve them, so every so often a turn goes through
 * the event loop.
 */

/** Something with one step of work to do. */
export interface Runnable {
  run(): void;
}

const MAX_STEPS_PER_TURN = 256;
const MAX_TURN_MS = 4;

export class RunQueue {
  #waiting: Runnable[] = [];
  #numStepsLeft = MAX_STEPS_PER_TURN;
  #isArmed = false;
  #isRunning = false;
  readonly #runMicrotask = (): void => {
    this.#isArmed = false;
    this.#run();
  };
  readonly #runMacrotask = (): void => {
    this.#isArmed = false;
    this.#numStepsLeft = MAX_STEPS_PER_TURN;
    this.#run();
  };

  /** Calls `runnable.run()` once, after the present code has returned. */
  schedule(runnable: Runnable): void {
    this.#waiting.push(runnable);
    if (!this.#isRunning) this.#arm();
  }

  /** Runs what waits at once; only from the top of the stack (a port's event), where nothing can be interrupted. */
  flush(): void {
    if (!this.#isRunning && this.#waiting.length > 0) this.#run();
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    if (this.#numStepsLeft > 0) queueMicrotask(this.#runMicrotask);
    else setImmediate(this.#runMacrotask);
  }

  #run(): void {
    this.#isRunning = true;
    const startedMs = performance.now();
    while (this.#numStepsLeft > 0 && this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      for (let i = 0; i < batch.length; i++) {
        if (this.#numStepsLeft <= 0) {
          this.#waiting = batch.slice(i).concat(this.#waiting);
          break;
        }
        this.#numStepsLeft--;
        batch[i]!.run();
        if (performance.now() - startedMs > MAX_TURN_MS) this.#numStepsLeft = 0;
      }
    }
    this.#isRunning = false;
    if (this.#waiting.length > 0) this.#arm();
  }
}
