/**
 * A stream on the consumer's side. At most `window` items are on the way or waiting here; each item that is read gives
 * credit for another, in batches of half a window. Items are numbered, so one lost or repeated breaks the stream
 * instead of corrupting it.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import { Fifo } from "./fifo.ts";
import type { MessageSpan } from "./message-span.ts";
import type { CallHome, OutboundCall } from "./outbound-call.ts";
import { cancelledError } from "./pending-ask.ts";

/** What a stream is read with. */
export interface StreamConsumerOptions {
  readonly window: number;
  readonly signal: AbortSignal | undefined;
  readonly span: MessageSpan;
}

interface Waiter {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly kind: "ended" } | { readonly kind: "failed"; readonly error: unknown };

const DONE: IteratorResult<unknown, undefined> = { done: true, value: undefined };

export class StreamConsumer implements OutboundCall, AsyncIterator<unknown, undefined> {
  readonly #callId: number;
  readonly #what: string;
  readonly #home: CallHome;
  readonly #batch: number;
  readonly #span: MessageSpan;
  readonly #signal: AbortSignal | undefined;
  readonly #items = new Fifo<{ readonly value: unknown }>();
  readonly #waiters = new Fifo<Waiter>();
  readonly #onAbort = (): void => this.#abandon(cancelledError(this.#what, this.#signal?.reason));
  #address: number | null = null;
  #nextSequence = 0;
  #numUncredited = 0;
  #outcome: Outcome | null = null;

  constructor(callId: number, what: string, home: CallHome, { window, signal, span }: StreamConsumerOptions) {
    this.#callId = callId;
    this.#what = what;
    this.#home = home;
    this.#batch = Math.max(1, window >> 1);
    this.#span = span;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
  }

  get address(): number | null {
    return this.#address;
  }

  sentTo(address: number): void {
    this.#address = address;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      if (this.#outcome === null && ++this.#numUncredited >= this.#batch) this.#giveCredit();
      return Promise.resolve({ done: false, value: item.value });
    }
    if (this.#outcome !== null) return this.#finish(this.#outcome);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Leaving the loop: cancels the producer. */
  return(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#outcome === null) {
      this.#home.cancel(this.#callId, this.#address);
      this.#close({ kind: "ended" });
    }
    this.#items.drain();
    this.#outcome = { kind: "ended" };
    return Promise.resolve(DONE);
  }

  item(sequence: number, value: unknown): void {
    if (sequence !== this.#nextSequence) {
      this.#breakAt(sequence);
      return;
    }
    this.#nextSequence++;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#items.push({ value });
      return;
    }
    if (++this.#numUncredited >= this.#batch) this.#giveCredit();
    waiter.resolve({ done: false, value });
  }

  end(sequence: number): void {
    if (sequence !== this.#nextSequence) this.#breakAt(sequence);
    else this.#close({ kind: "ended" });
  }

  reply(): void {
    this.#abandon(
      new TroupeError("stream_broken", `${this.#what} was answered with a reply; call ask() instead.`),
    );
  }

  fail(error: unknown): void {
    this.#close({ kind: "failed", error });
  }

  lose(cause: TroupeError): void {
    const isShutdown = cause.code === "system_stopped";
    this.fail(
      isShutdown
        ? cause
        : new TroupeError("stream_broken", `${this.#what}: the producer is down.`, { cause }),
    );
  }

  #breakAt(sequence: number): void {
    const text = `${this.#what}: item ${sequence} came where item ${this.#nextSequence} was due.`;
    this.#abandon(
      new TroupeError("stream_broken", text, { details: { expected: this.#nextSequence, got: sequence } }),
    );
  }

  #giveCredit(): void {
    this.#home.credit(this.#callId, this.#address, this.#numUncredited);
    this.#numUncredited = 0;
  }

  /** Ends from this side: what was not read is dropped. */
  #abandon(error: TroupeError): void {
    this.#items.drain();
    this.#home.cancel(this.#callId, this.#address);
    this.#close({ kind: "failed", error });
  }

  #close(outcome: Outcome): void {
    if (this.#outcome !== null) return;
    this.#outcome = outcome;
    this.#home.forget(this.#callId);
    this.#span.settle(outcome.kind === "failed" ? outcome.error : null);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    for (const waiter of this.#waiters.drain()) this.#finish(outcome).then(waiter.resolve, waiter.reject);
  }

  /** A failure is thrown once; after it, as after the end, the iterator is done. */
  #finish(outcome: Outcome): Promise<IteratorResult<unknown, undefined>> {
    if (outcome.kind === "ended") return Promise.resolve(DONE);
    this.#outcome = { kind: "ended" };
    return Promise.reject(outcome.error);
  }
}
