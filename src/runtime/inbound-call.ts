/** An ask or stream on the side of the actor that works on it. */
import type { Transferable } from "node:worker_threads";
import type { Clock } from "../core/clock.ts";
import { encodeError } from "../errors/error-codec.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { Call } from "./actor-definition.ts";
import type { CallScope } from "./call-scope.ts";
import { OP, type RequestEnvelope, type ResponseEnvelope } from "./envelope.ts";
import type { Link } from "./link.ts";

/** The thread a message came from. */
export interface Peer {
  readonly nodeId: number;
  readonly link: Link;
  /** Calls from there that are waiting or being worked on. */
  readonly inbound: Map<number, InboundCall>;
}

/** An ask or a request for a stream. */
export type CallRequest = Exclude<RequestEnvelope, { readonly 0: 0 }>;

export class InboundCall implements Call, CallScope {
  readonly callId: number;
  readonly traceparent: string | null;
  readonly #peer: Peer;
  readonly #clock: Clock;
  /** When an ask's caller gives up; a stream's never does. */
  readonly #dueMs: number | null;
  #transferables: readonly Transferable[] | undefined;
  #controller: AbortController | null = null;
  #isSettled = false;
  #isCancelled = false;
  #isInterrupted = false;
  /** Set by a stream's producer. */
  onCredit: ((numItems: number) => void) | null = null;
  onCancel: (() => void) | null = null;

  constructor(envelope: CallRequest, peer: Peer, clock: Clock) {
    this.callId = envelope[6];
    this.traceparent = envelope[5];
    this.#peer = peer;
    this.#clock = clock;
    this.#dueMs = envelope[0] === OP.ask ? clock.now() + envelope[7] : null;
    peer.inbound.set(this.callId, this);
  }

  remainingMs(): number | null {
    // What a handler goes on with after its answer is not bound to the call any more.
    if (this.#dueMs === null || this.#isSettled) return null;
    return Math.max(0, this.#dueMs - this.#clock.now());
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#isCancelled || this.#isInterrupted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  transfer(transferables: readonly Transferable[]): void {
    this.#transferables = transferables;
  }

  /** Nobody waits for the answer any more, or it has been given. */
  get isOver(): boolean {
    return this.#isSettled || this.#isCancelled;
  }

  /** The actor is ending: whoever works on this should come to an end, but may still answer. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#controller?.abort();
  }

  /** The caller cancelled or is gone: nothing is posted any more. */
  cancel(): void {
    if (this.isOver) return;
    this.#isCancelled = true;
    this.#peer.inbound.delete(this.callId);
    this.#controller?.abort();
    this.onCancel?.();
  }

  reply(value: unknown): void {
    if (this.isOver) return;
    this.#settle();
    this.#post([OP.reply, this.callId, value]);
  }

  item(sequence: number, value: unknown): boolean {
    return !this.isOver && this.#post([OP.item, this.callId, sequence, value]);
  }

  end(sequence: number): void {
    if (this.isOver) return;
    this.#settle();
    this.#post([OP.end, this.callId, sequence]);
  }

  /** Answers with an error; `signal` aborts, so that work still going on can end. */
  fail(error: unknown): void {
    if (this.isOver) return;
    this.#settle();
    this.#controller?.abort();
    this.#post([OP.fail, this.callId, encodeError(error)]);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#peer.inbound.delete(this.callId);
  }

  #post(envelope: ResponseEnvelope): boolean {
    const transferables = this.#transferables;
    this.#transferables = undefined;
    try {
      this.#peer.link.post(envelope, transferables);
      return true;
    } catch (cause) {
      const error = new TroupeError("internal", "The answer cannot be cloned to the caller's thread.", {
        cause,
      });
      this.#settle();
      this.#peer.link.post([OP.fail, this.callId, encodeError(error)]);
      return false;
    }
  }
}
