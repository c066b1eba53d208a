/**
 * A stream that outlives its connections: one source of events, read by any number of readers from any event on. The
 * source goes on while nobody reads, until the log is full; then it waits. Who comes back within the window goes on
 * exactly where it was.
 */
import type { Clock, Timer } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { EventLog } from "./event-log.ts";

/** An event and its place in the stream, counted from 0. */
export interface NumberedEvent<T> {
  readonly number: number;
  readonly event: T;
}

/** What a {@link LiveStream} is made of. */
export interface LiveStreamOptions<T> {
  /** Iterated once, at once. What it throws reaches the readers after the last event. */
  readonly source: AsyncIterable<T>;
  /** Events kept at most. */
  readonly maxEvents: number;
  /** True when a reader is about to come. The source never waits for one that is not expected. */
  readonly isAwaited: boolean;
  /** How long the stream waits for another reader when the last one has left. */
  readonly windowMs: number;
  readonly clock: Clock;
  /** The window has passed without a reader, and the source has not ended. */
  readonly onAbandoned: () => void;
}

/** @see LiveStreamOptions */
export class LiveStream<T> {
  /** Resolves when no further event will come. Never rejects. */
  readonly ended: Promise<void>;
  readonly #options: LiveStreamOptions<T>;
  readonly #log: EventLog<T>;
  #numReaders = 0;
  #isAwaited: boolean;
  #isReleased = false;
  #outcome: { readonly failure: unknown } | "ended" | null = null;
  #window: Timer | null = null;
  /** To be called at the next change: an event, room, the end. */
  #waiting: (() => void)[] = [];

  constructor(options: LiveStreamOptions<T>) {
    this.#options = options;
    this.#log = new EventLog(options.maxEvents);
    this.#isAwaited = options.isAwaited;
    this.ended = this.#pump();
  }

  /** Events so far, kept or not. */
  get numEvents(): number {
    return this.#log.next;
  }

  /** The source is about to end and need not wait for room any more. */
  release(): void {
    this.#isReleased = true;
    this.#changed();
  }

  /**
   * The events from number `from` on, as they come; ends after the last one.
   *
   * @param signal aborting it ends the loop with the signal's reason.
   * @throws TroupeError at once: `invalid_request` for an event that cannot come next, `stream_broken` for one that is no
   * longer kept. In the loop: `stream_broken` when this reader falls too far behind a faster one; what the source threw.
   */
  read(from: number, signal: AbortSignal): AsyncGenerator<NumberedEvent<T>> {
    if (from > this.#log.next) {
      const message = `The stream has ${this.#log.next} events so far; it cannot go on after event ${from - 1}.`;
      throw new TroupeError("invalid_request", message);
    }
    this.#checkKept(from);
    return this.#readFrom(from, signal);
  }

  async *#readFrom(from: number, signal: AbortSignal): AsyncGenerator<NumberedEvent<T>> {
    const wake = (): void => this.#changed();
    signal.addEventListener("abort", wake);
    this.#window?.cancel();
    this.#numReaders++;
    this.#isAwaited = true;
    // Who asks for the next event has the ones before, also one whose sending was cut short.
    this.#log.markSent(from);
    this.#changed();
    try {
      for (let number = from; ; number++) {
        while (number >= this.#log.next && this.#outcome === null && !signal.aborted)
          await this.#nextChange();
        signal.throwIfAborted();
        if (number >= this.#log.next) break;
        this.#checkKept(number);
        yield { number, event: this.#log.at(number)! };
        this.#log.markSent(number + 1);
        this.#changed();
      }
      if (this.#outcome !== null && this.#outcome !== "ended") throw this.#outcome.failure;
    } finally {
      signal.removeEventListener("abort", wake);
      if (--this.#numReaders === 0) this.#openWindow();
    }
  }

  async #pump(): Promise<void> {
    try {
      for await (const event of this.#options.source) {
        while (this.#log.isFull && !this.#isReleased) await this.#room();
        this.#log.append(event);
        this.#changed();
      }
      this.#outcome = "ended";
    } catch (failure) {
      this.#outcome = { failure };
    }
    this.#window?.cancel();
    this.#changed();
  }

  /** What nobody is expected to read counts as sent, so that the oldest makes room. */
  async #room(): Promise<void> {
    if (this.#isAwaited) await this.#nextChange();
    else this.#log.markSent(this.#log.next);
  }

  #openWindow(): void {
    if (this.#outcome !== null) return;
    const { windowMs, clock } = this.#options;
    if (windowMs === 0) this.#abandon();
    else this.#window = clock.schedule(windowMs, () => this.#abandon());
  }

  #abandon(): void {
    this.#isAwaited = false;
    this.#changed();
    this.#options.onAbandoned();
  }

  #checkKept(number: number): void {
    if (number >= this.#log.first) return;
    const message = `Events before ${this.#log.first} are no longer kept (server.maxStreamEvents); the stream cannot go on from event ${number}.`;
    throw new TroupeError("stream_broken", message);
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
