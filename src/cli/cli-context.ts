/** Everything the commands touch outside themselves, so tests run them in process with streams and engines of their own. */
import type { Readable, Writable } from "node:stream";
import type { Services } from "./services.ts";

/** Text going out; `isTTY` tells a terminal from a pipe or file. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };
/** Text coming in. */
export type Input = Readable & { readonly isTTY?: boolean };

/** A request to stop. */
export type StopSignal = "SIGINT" | "SIGTERM";

/** The surroundings of one run of the command line. */
export interface CliContext {
  /** What follows the command's name: `["serve", "--port", "9000"]`. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** The package's version. */
  readonly version: string;
  /** Calls back on every stop signal, in place of ending the process; the result ends that. */
  onSignal(listener: (signal: StopSignal) => void): () => void;
  readonly services: Services;
}

/** Exit codes of the command line. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Writes and waits while the reader is slower than the writer. */
export async function write(output: Output, text: string): Promise<void> {
  if (text === "" || output.destroyed || output.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      output.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    output.on("drain", done).on("close", done).on("error", done);
  });
}
