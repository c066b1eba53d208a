/** Work that takes a while: shown by a progress bar, and stopped by Ctrl-C. */
import { TroupeError } from "../errors/troupe-error.ts";
import { type CliContext, EXIT, write } from "./cli-context.ts";
import { showProgress } from "./progress-bar.ts";
import type { OnProgress } from "./services.ts";

/** A piece of work and what is said of it. */
export interface LongWork<T> {
  /** What is being done: `Compiling understudy`. */
  readonly title: string;
  /** Fails with `cancelled` once the signal aborts. */
  run(how: { readonly onProgress: OnProgress; readonly signal: AbortSignal }): Promise<T>;
  /** Printed when it is done. */
  report(result: T): string;
  /** Said on stderr when a signal stopped it. Default: nothing. */
  readonly whenStopped?: string;
}

/** @returns the exit status */
export async function runLongWork<T>(
  context: CliContext,
  { title, run, report, whenStopped = "" }: LongWork<T>,
): Promise<number> {
  const abort = new AbortController();
  const { signal } = abort;
  const endSignals = context.onSignal(() => abort.abort());
  const display = showProgress(context.stderr, title);
  try {
    const result = await run({ onProgress: display.onProgress, signal });
    display.stop();
    await write(context.stdout, report(result));
    return EXIT.ok;
  } catch (error) {
    if (!(signal.aborted && error instanceof TroupeError && error.code === "cancelled")) throw error;
    display.stop();
    if (whenStopped !== "") context.stderr.write(whenStopped);
    return EXIT.interrupted;
  } finally {
    display.stop();
    endSignals();
  }
}
