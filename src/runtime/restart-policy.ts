/** When a supervisor restarts, how long it waits first, and when it gives up. Pure: told the time, never asks it. */
import type { DownReason } from "./actor-types.ts";
import type {
  RestartBackoff,
  RestartIntensity,
  RestartKind,
  SupervisionStrategy,
} from "./supervisor-spec.ts";

export const DEFAULT_INTENSITY: RestartIntensity = { maxRestarts: 3, windowMs: 60_000 };
export const DEFAULT_BACKOFF: RestartBackoff = { minMs: 10, maxMs: 2_000, jitter: 0.2 };

/** As in OTP: `transient` is restarted only after a crash. */
export function shouldRestart(kind: RestartKind, reason: DownReason): boolean {
  return kind === "permanent" || (kind === "transient" && reason.kind === "crash");
}

/** Indexes, in start order, of the children that are restarted when child `failed` of `numChildren` went down. */
export function restartGroup(strategy: SupervisionStrategy, failed: number, numChildren: number): number[] {
  if (strategy === "one-for-one") return [failed];
  const first = strategy === "one-for-all" ? 0 : failed;
  return Array.from({ length: numChildren - first }, (_, index) => first + index);
}

/** The restarts of one supervisor within its window. */
export class RestartHistory {
  readonly #intensity: RestartIntensity;
  #timesMs: number[] = [];

  constructor(intensity: RestartIntensity) {
    this.#intensity = intensity;
  }

  /**
   * Counts a restart at `nowMs`. A restart exactly `windowMs` ago still counts, as in OTP.
   *
   * @returns false when it is one too many.
   */
  admit(nowMs: number): boolean {
    const since = nowMs - this.#intensity.windowMs;
    this.#timesMs = this.#timesMs.filter((timeMs) => timeMs >= since);
    this.#timesMs.push(nowMs);
    return this.#timesMs.length <= this.#intensity.maxRestarts;
  }

  /** Restarts in the window, the one just admitted included. */
  get numRecent(): number {
    return this.#timesMs.length;
  }
}

/**
 * The wait before the `numRecent`-th restart in a window.
 *
 * @param random a number from 0 to 1
 */
export function backoffDelayMs(backoff: RestartBackoff, numRecent: number, random: number): number {
  const fullMs = Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.min(30, Math.max(0, numRecent - 1)));
  return fullMs * (1 - backoff.jitter * random);
}
