/** An ask or stream on the side of the actor that works on it. */
import type { Transferable } from "node:worker_threads";
import { encodeError } from "../errors/error-codec.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { Call } from "./actor-definition.ts";
import { OP, type ResponseEnvelope } from "./envelope.ts";
import type { Link } from "./link.ts";

/** The thread a message came from. */
export interface Peer {
  readonly nodeId: number;
  readonly link: Link;
  /** Calls from there that are waiting or being worked on. */
  readonly inbound: Map<number, InboundCall>;
}

export class InboundCall implements Call {
  readonly callId: number;
  readonly #peer: Peer;
  #transferables: readonly Transferable[] | undefined;
  #controller: AbortController | null = null;
  #isSettled = false;
  #isCancelled = false;
  #isInterrupted = false;
  /** Set by a stream's producer. */
  onCredit: ((numItems: number) => void) | null = null;
  onCancel: (() => void) | null = null;

  constructor(callId: number, peer: Peer) {
    this.callId = callId;
    this.#peer = peer;
    peer.inbound.set(callId, this);
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
