/** Signals as requests to stop: the first asks politely, the second means now. */
import type { CliContext } from "./cli-context.ts";

/** @see listenForStop */
export interface StopRequests {
  readonly first: Promise<void>;
  readonly second: Promise<void>;
  end(): void;
}

/** From now on a signal does not end the process, but resolves these. */
export function listenForStop(context: CliContext): StopRequests {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  let numSignals = 0;
  const end = context.onSignal(() => {
    numSignals++;
    if (numSignals === 1) first.resolve();
    else second.resolve();
  });
  return { first: first.promise, second: second.promise, end };
}
