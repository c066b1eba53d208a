/** Begins work whose events outlive the connection that asked for it. */
import type { Clock } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { ActiveWork } from "./active-work.ts";
import { LiveStream } from "./live-stream.ts";

/** A stream and the way to end it early. */
export interface OpenStream<T> {
  readonly stream: LiveStream<T>;
  /** Aborts the work; its source decides what the readers see of it. */
  cancel(reason: TroupeError): void;
}

/** What {@link openStream} begins, and on what. */
export interface OpenStreamOptions<T> {
  readonly clock: Clock;
  readonly work: ActiveWork;
  /** Resolves when the work has been taken on. */
  readonly begin: (signal: AbortSignal) => Promise<AsyncIterable<T>>;
  readonly maxEvents: number;
  readonly windowMs: number;
  /** True when a reader is about to come. */
  readonly isAwaited: boolean;
  /** False lets the work go on to its end although nobody reads it. */
  readonly endsWithReaders: boolean;
  /** Of the connection that asks; of no effect once the work has been taken on. */
  readonly signal: AbortSignal;
}

/**
 * @returns when the work has been taken on.
 * @throws TroupeError `not_ready` while the server stops, and what `begin` throws.
 */
export async function openStream<T>(options: OpenStreamOptions<T>): Promise<OpenStream<T>> {
  const { work, begin, signal, endsWithReaders } = options;
  const controller = new AbortController();
  let stream: LiveStream<T> | null = null;
  const cancel = (reason: TroupeError): void => {
    controller.abort(reason);
    stream?.release();
  };
  const giveUp = (): void => controller.abort(signal.reason);
  const { finish } = work.add(cancel);
  signal.addEventListener("abort", giveUp);
  try {
    const source = await begin(controller.signal);
    const onAbandoned = (): void => {
      if (endsWithReaders)
        cancel(new TroupeError("cancelled", "The client went away and did not come back."));
    };
    const { clock, maxEvents, windowMs, isAwaited } = options;
    stream = new LiveStream({ source, maxEvents, isAwaited, windowMs, clock, onAbandoned });
    void stream.ended.then(finish);
    return { stream, cancel };
  } catch (thrown) {
    finish();
    throw thrown;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
