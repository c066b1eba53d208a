/** One message in a trace: given its span when it is sent, reported when it is sent and when its call has settled. */
import type { Clock } from "../core/clock.ts";
import { isTracing, type TracedOperation, traceSend, traceSettled } from "./trace-channels.ts";
import { childSpan, isTraceparent } from "./traceparent.ts";

/** Which message a span is of. */
export interface TracedCall {
  readonly operation: TracedOperation;
  /** The receiver's name. */
  readonly actor: string;
  readonly kind: string;
}

export class MessageSpan {
  /** Of a message that nobody traces. */
  static readonly NONE: MessageSpan = new MessageSpan(null, null, null);
  readonly traceparent: string | null;
  readonly #call: TracedCall | null;
  readonly #clock: Clock | null;
  readonly #startedMs: number;

  private constructor(traceparent: string | null, call: TracedCall | null, clock: Clock | null) {
    this.traceparent = traceparent;
    this.#call = call;
    this.#clock = clock;
    this.#startedMs = clock?.now() ?? 0;
  }

  /** A trace is taken over from `parent` always, and begun only while somebody listens. */
  static begin(call: TracedCall, parent: string | null, clock: Clock, random: () => number): MessageSpan {
    const isTraced = parent !== null && isTraceparent(parent);
    if (!isTraced && !isTracing()) return MessageSpan.NONE;
    const traceparent = childSpan(isTraced ? parent : null, random);
    traceSend({ ...call, traceparent, parent: isTraced ? parent : null });
    return new MessageSpan(traceparent, call, clock);
  }

  /** The call has ended on the caller's side; null when well. */
  settle(error: unknown): void {
    if (this.#call === null || this.#clock === null) return;
    const { traceparent } = this;
    traceSettled({ ...this.#call, traceparent, durationMs: this.#clock.now() - this.#startedMs, error });
  }
}
