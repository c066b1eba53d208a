/** Streams by name, so that a client that comes back finds its own; each is forgotten a while after its end. */
import type { Clock } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { NumberedEvent } from "./live-stream.ts";
import type { OpenStream } from "./open-stream.ts";

/** Ended streams that are kept at most; the oldest goes first. */
export const MAX_ENDED_STREAMS = 1024;

/** @see LiveStream */
export class KeptStreams<T> {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #streams = new Map<string, { readonly open: OpenStream<T>; readonly owner: string }>();
  /** Names of ended streams, oldest first. */
  readonly #ended = new Set<string>();

  /** @param windowMs how long a stream is kept after its end. */
  constructor(options: { readonly clock: Clock; readonly windowMs: number }) {
    this.#clock = options.clock;
    this.#windowMs = options.windowMs;
  }

  /** Streams that are kept. */
  get size(): number {
    return this.#streams.size;
  }

  /** @param owner who alone may read the stream; to others it is not there. */
  add(id: string, owner: string, open: OpenStream<T>): void {
    this.#streams.set(id, { open, owner });
    void open.stream.ended.then(() => this.#onEnded(id));
  }

  /** Ends stream `id` with an error for its readers; no effect when it has ended or is another's. */
  cancel(id: string, owner: string, reason: TroupeError): void {
    const kept = this.#streams.get(id);
    if (kept?.owner === owner) kept.open.cancel(reason);
  }

  /** Forgets a stream; whoever reads it reads on. */
  delete(id: string): void {
    this.#streams.delete(id);
    this.#ended.delete(id);
  }

  /**
   * The events of stream `id` from number `from` on.
   *
   * @throws TroupeError `not_found` for a stream that never was, is forgotten or is another's, and what
   * {@link LiveStream.read} throws.
   */
  read(id: string, owner: string, from: number, signal: AbortSignal): AsyncGenerator<NumberedEvent<T>> {
    const kept = this.#streams.get(id);
    if (kept?.owner === owner) return kept.open.stream.read(from, signal);
    const name = JSON.stringify(id.slice(0, 200));
    const message = `There is no stream ${name}. A stream can be taken up again until ${this.#windowMs} ms after its connection was lost (server.resumeWindowMs), and its events are kept that long after its end.`;
    throw new TroupeError("not_found", message);
  }

  #onEnded(id: string): void {
    if (!this.#streams.has(id)) return;
    this.#ended.add(id);
    this.#clock.schedule(this.#windowMs, () => this.delete(id));
    const [oldest] = this.#ended;
    if (this.#ended.size > MAX_ENDED_STREAMS && oldest !== undefined) this.delete(oldest);
  }
}
