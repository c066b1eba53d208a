/** An ask on the caller's side: settles exactly once, by reply, error, loss of the callee, deadline or cancellation. */
import type { Clock, Timer } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { MessageSpan } from "./message-span.ts";
import type { CallHome, OutboundCall } from "./outbound-call.ts";

/** What an ask waits with. */
export interface PendingAskOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly span: MessageSpan;
  readonly signal?: AbortSignal;
}

export class PendingAsk implements OutboundCall {
  readonly promise: Promise<unknown>;
  readonly #callId: number;
  readonly #home: CallHome;
  readonly #clock: Clock;
  readonly #span: MessageSpan;
  readonly #dueMs: number;
  #address: number | null = null;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: Timer;
  readonly #onAbort: (() => void) | undefined;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(callId: number, what: string, home: CallHome, options: PendingAskOptions) {
    const { clock, deadlineMs } = options;
    this.#callId = callId;
    this.#home = home;
    this.#clock = clock;
    this.#span = options.span;
    this.#dueMs = clock.now() + deadlineMs;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = clock.schedule(deadlineMs, () => {
      this.#give(
        new TroupeError("deadline_exceeded", `${what} had no answer within ${Math.round(deadlineMs)} ms.`),
      );
    });
    this.#signal = options.signal;
    if (this.#signal !== undefined) {
      this.#onAbort = () => this.#give(cancelledError(what, this.#signal?.reason));
      this.#signal.addEventListener("abort", this.#onAbort);
    }
  }

  /** Until it meets its deadline. */
  remainingMs(): number {
    return Math.max(0, this.#dueMs - this.#clock.now());
  }

  get address(): number | null {
    return this.#address;
  }

  sentTo(address: number): void {
    this.#address = address;
  }

  reply(value: unknown): void {
    this.#settle(null);
    this.#resolve(value);
  }

  fail(error: unknown): void {
    this.#settle(error);
    this.#reject(error);
  }

  lose(error: TroupeError): void {
    this.fail(error);
  }

  item(): void {
    this.#give(new TroupeError("stream_broken", "An ask was answered with a stream; call stream() instead."));
  }

  end(): void {
    this.item();
  }

  #give(error: TroupeError): void {
    this.#home.cancel(this.#callId, this.#address);
    this.fail(error);
  }

  #settle(error: unknown): void {
    this.#home.forget(this.#callId);
    this.#span.settle(error);
    this.#timer.cancel();
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** The error of a call whose signal was aborted. */
export function cancelledError(what: string, cause: unknown): TroupeError {
  return new TroupeError("cancelled", `${what} was cancelled.`, { cause });
}
