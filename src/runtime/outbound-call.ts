/** The asks and streams that one thread has open, and what such a call needs of its thread. */
import type { TroupeError } from "../errors/troupe-error.ts";

/** An ask or stream on the caller's side, as the thread that receives its answers sees it. */
export interface OutboundCall {
  /** The incarnation that was called; null until the message has been sent. */
  readonly address: number | null;
  sentTo(address: number): void;
  reply(value: unknown): void;
  item(sequence: number, value: unknown): void;
  end(sequence: number): void;
  /** The call failed: here, or by the other side's answer. */
  fail(error: unknown): void;
  /** The called incarnation is down; nothing more will come. */
  lose(error: TroupeError): void;
}

/** What an open call needs of its thread. */
export interface CallHome {
  /** Forgets the call; answers that still arrive are ignored. */
  forget(callId: number): void;
  /** Tells the callee that nobody waits any more. */
  cancel(callId: number, address: number | null): void;
  /** Allows the callee this many items more. */
  credit(callId: number, address: number | null, numItems: number): void;
}

/** The open calls of one thread. */
export class OutboundCalls {
  readonly #calls = new Map<number, OutboundCall>();
  #lastCallId = 0;

  /** Adds what `make` makes of a fresh call id. */
  open<C extends OutboundCall>(make: (callId: number) => C): { readonly callId: number; readonly call: C } {
    const callId = ++this.#lastCallId;
    const call = make(callId);
    this.#calls.set(callId, call);
    return { callId, call };
  }

  get(callId: number): OutboundCall | undefined {
    return this.#calls.get(callId);
  }

  forget(callId: number): void {
    this.#calls.delete(callId);
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Settles every call to an incarnation that is down. */
  lose(address: number, makeError: () => TroupeError): void {
    const lost = [...this.#calls.values()].filter((call) => call.address === address);
    if (lost.length === 0) return;
    const error = makeError();
    for (const call of lost) call.lose(error);
  }

  /** Settles every call. */
  loseAll(error: TroupeError): void {
    for (const call of [...this.#calls.values()]) call.lose(error);
  }
}
