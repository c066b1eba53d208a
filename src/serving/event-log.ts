/**
 * The numbered events of one stream, kept for readers that lost their connection. Bounded: at least the newest half of
 * what was sent stays, the rest of the room is for what waits to be sent. Knows nothing of time, readers or formats.
 *
 *     first                sent               next
 *       | sent, kept in case | waits for a reader |
 *
 * An event is never dropped before it was sent: the producer has to wait while the log is full.
 */
import { invariant } from "../errors/troupe-error.ts";

/**
 * @example
 * ```ts
 * const log = new EventLog<string>(4);
 * log.append("a"); // 0
 * log.at(0); // "a"
 * log.markSent(1);
 * ```
 */
export class EventLog<T> {
  readonly #maxEvents: number;
  /** A ring: event n lies at n % maxEvents once it has grown that long. */
  readonly #events: T[] = [];
  #first = 0;
  #sent = 0;
  #next = 0;

  /** @param maxEvents kept at most; at least 2. */
  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents;
  }

  /** Number of the oldest event that is kept. */
  get first(): number {
    return this.#first;
  }

  /** Number of the first event that no reader has taken. */
  get sent(): number {
    return this.#sent;
  }

  /** Number that the next event will have. */
  get next(): number {
    return this.#next;
  }

  /** True while another event has no room that could be made without losing one. */
  get isFull(): boolean {
    return this.#isAtLimit && this.#sent - this.#first <= this.#maxEvents / 2;
  }

  /** @returns the event's number. */
  append(event: T): number {
    invariant(!this.isFull, "an event came although the log is full");
    if (this.#isAtLimit) this.#first++;
    this.#events[this.#next % this.#maxEvents] = event;
    return this.#next++;
  }

  /** Undefined when the event has not come yet or is no longer kept. */
  at(number: number): T | undefined {
    return number >= this.#first && number < this.#next ? this.#events[number % this.#maxEvents] : undefined;
  }

  /** A reader has taken everything before `number`. Going back has no effect. */
  markSent(number: number): void {
    this.#sent = Math.max(this.#sent, Math.min(number, this.#next));
  }

  get #isAtLimit(): boolean {
    return this.#next - this.#first >= this.#maxEvents;
  }
}
