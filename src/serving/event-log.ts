/**
 * The numbered events of one stream, kept for readers that lost their connection. Bounded: the newest half of the room is
 * never taken from what was sent, the rest is for what waits to be sent. Knows nothing of time, readers or formats.
 *
 *     first                sent               next
 *       | sent, kept in case | waits for a reader |
 *
 * An event is never dropped before it was sent: the producer has to wait while the log is full. What it appends all the
 * same makes the log grow.
 */

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
  /** Event n lies at n - offset; what lies before `first` is dropped in one go. */
  #events: T[] = [];
  #offset = 0;
  #first = 0;
  #sent = 0;

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
    return this.#offset + this.#events.length;
  }

  /** True while another event has no room that could be made without losing one. */
  get isFull(): boolean {
    return this.#isAtLimit && !this.#canDrop;
  }

  /** @returns the event's number. */
  append(event: T): number {
    while (this.#isAtLimit && this.#canDrop) this.#first++;
    if (this.#first - this.#offset > this.#maxEvents) {
      this.#events = this.#events.slice(this.#first - this.#offset);
      this.#offset = this.#first;
    }
    return this.#offset + this.#events.push(event) - 1;
  }

  /** Undefined when the event has not come yet or is no longer kept. */
  at(number: number): T | undefined {
    return number < this.#first ? undefined : this.#events[number - this.#offset];
  }

  /** A reader has taken everything before `number`. Going back has no effect. */
  markSent(number: number): void {
    this.#sent = Math.max(this.#sent, Math.min(number, this.next));
  }

  get #isAtLimit(): boolean {
    return this.next - this.#first >= this.#maxEvents;
  }

  get #canDrop(): boolean {
    return this.#sent - this.#first > this.#maxEvents / 2;
  }
}
