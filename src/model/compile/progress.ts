/** Progress of work on a checkpoint, counted in bytes of the checkpoint; also where a cancelled one notices. */
import { TroupeError } from "../../errors/troupe-error.ts";

/** One report. */
export interface CompileProgress {
  /** hashing finds out whether the content is known; the others read it a second time. */
  readonly phase: "hashing" | "compiling" | "converting";
  /** What is being worked on: a file or a segment. */
  readonly label: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Receives reports; several a second at most for large models. */
export type OnProgress = (progress: CompileProgress) => void;

/** The worker's end of it. */
export interface Progress {
  /** Starts a phase. */
  begin(phase: CompileProgress["phase"], totalBytes: number): void;
  /** Reports bytes. @throws TroupeError `cancelled` once the signal is aborted. */
  advance(label: string, numBytes: number): void;
}

export function createProgress(
  onProgress: OnProgress | undefined,
  signal: AbortSignal | undefined,
): Progress {
  let phase: CompileProgress["phase"] = "hashing";
  let doneBytes = 0;
  let totalBytes = 0;
  return {
    begin(nextPhase, nextTotal) {
      phase = nextPhase;
      doneBytes = 0;
      totalBytes = nextTotal;
    },
    advance(label, numBytes) {
      if (signal?.aborted) {
        throw new TroupeError("cancelled", "The work was cancelled.", { cause: signal.reason });
      }
      doneBytes += numBytes;
      onProgress?.({ phase, label, doneBytes, totalBytes });
    },
  };
}
