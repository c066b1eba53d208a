/** Time as a dependency: everything that waits or measures takes a Clock, so tests decide what time it is. */

/** A pending timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Monotonic time and timers. */
export interface Clock {
  /** Milliseconds on a monotonic scale; only differences mean anything. */
  now(): number;
  /** Calls `callback` once, at least `delayMs` later. The timer does not keep the process alive, unless told to. */
  schedule(delayMs: number, callback: () => void, options?: { readonly keepsAlive?: boolean }): Timer;
}

/** The real clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, callback, { keepsAlive = false } = {}) {
    const handle = setTimeout(callback, delayMs);
    if (!keepsAlive) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};
