/**
 * The part of a mailbox that every thread sees: how full it is, the word that asks its actor to stop, and what the
 * actor reports about itself. One per incarnation; the messages themselves lie with the actor.
 *
 * A port has no back-pressure, so a sender must know without a round trip whether the receiver is full. Each sender
 * reserves room before it posts; the receiver gives the room back when it takes the message out to handle it.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { MailboxSpec } from "./supervisor-spec.ts";

/** What travels to other threads. */
export interface MailboxShare {
  readonly buffer: SharedArrayBuffer;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

const CONTROL = 0;
const MESSAGES = 1;
const UNITS = 2;
const HANDLED = 3;
const ACTIVE = 4;
const BUSY_OFFSET_BYTES = 24;
const SIZE_BYTES = 32;

/** Bytes are counted in units of 16, so that the limit of 1 GiB stays far from the end of an Int32. */
const UNIT_BYTES = 16;
const MAX_BYTES = 2 ** 30;

/** A view of one incarnation's shared counters. */
export class SharedMailbox {
  readonly share: MailboxShare;
  readonly #words: Int32Array;
  readonly #busyMs: Float64Array;
  readonly #maxMessages: number;
  readonly #maxUnits: number;

  constructor(share: MailboxShare) {
    this.share = share;
    this.#words = new Int32Array(share.buffer, 0, BUSY_OFFSET_BYTES / 4);
    this.#busyMs = new Float64Array(share.buffer, BUSY_OFFSET_BYTES, 1);
    this.#maxMessages = share.maxMessages;
    this.#maxUnits = Math.ceil(share.maxBytes / UNIT_BYTES);
  }

  /** @throws TroupeError `invalid_config` for limits out of range. */
  static create(spec: MailboxSpec = {}): SharedMailbox {
    const { maxMessages = 1024, maxBytes = 64 * 2 ** 20 } = spec;
    requireRange("maxMessages", maxMessages, 2 ** 24);
    requireRange("maxBytes", maxBytes, MAX_BYTES);
    return new SharedMailbox({ buffer: new SharedArrayBuffer(SIZE_BYTES), maxMessages, maxBytes });
  }

  /**
   * Takes room for a message; false when there is none. Senders that race for the last place may both be refused,
   * never both accepted.
   */
  reserve(bytes: number): boolean {
    const units = toUnits(bytes);
    if (units > this.#maxUnits) return false;
    if (Atomics.add(this.#words, MESSAGES, 1) >= this.#maxMessages) {
      Atomics.sub(this.#words, MESSAGES, 1);
      return false;
    }
    if (Atomics.add(this.#words, UNITS, units) + units > this.#maxUnits) {
      this.release(bytes);
      return false;
    }
    return true;
  }

  /** Gives the room of a message back. */
  release(bytes: number): void {
    Atomics.sub(this.#words, UNITS, toUnits(bytes));
    Atomics.sub(this.#words, MESSAGES, 1);
  }

  /** Messages waiting or on the way. */
  get numMessages(): number {
    return Atomics.load(this.#words, MESSAGES);
  }

  get numBytes(): number {
    return Atomics.load(this.#words, UNITS) * UNIT_BYTES;
  }

  requestStop(): void {
    Atomics.store(this.#words, CONTROL, 1);
    Atomics.notify(this.#words, CONTROL);
  }

  get isStopRequested(): boolean {
    return Atomics.load(this.#words, CONTROL) !== 0;
  }

  /** Only the actor's own thread writes the next three. */
  reportActive(numActive: number): void {
    Atomics.store(this.#words, ACTIVE, numActive);
  }

  reportHandled(): void {
    Atomics.add(this.#words, HANDLED, 1);
  }

  reportBusy(ms: number): void {
    this.#busyMs[0]! += ms;
  }

  get numActive(): number {
    return Atomics.load(this.#words, ACTIVE);
  }

  get numHandled(): number {
    return Atomics.load(this.#words, HANDLED) >>> 0;
  }

  get busyMs(): number {
    return this.#busyMs[0]!;
  }
}

function toUnits(bytes: number): number {
  return Math.ceil(bytes / UNIT_BYTES);
}

function requireRange(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new TroupeError(
    "invalid_config",
    `mailbox.${name} is ${value}; it must be an integer from 1 to ${max}.`,
    {
      details: { path: `mailbox.${name}`, value, max },
    },
  );
}
