/** Counts what the sessions of one runner do, run by run, until somebody takes the count. */
import type { ExecuteWork } from "../scheduling/step-times.ts";
import type { Tensor } from "./onnx-runtime.ts";

/** What a meter counts; waiting happens outside of sessions. */
export type RunWork = Omit<ExecuteWork, "waitMs">;

/** Given to sessions when they are loaded. */
export class RunMeter {
  #runMs = 0;
  #numRuns = 0;
  #numOutputs = 0;
  #outputBytes = 0;
  #gatheredBytes = 0;

  /** A run that took so long and gave back these tensors. */
  countRun(ms: number, outputs: Readonly<Record<string, Tensor>>): void {
    this.#runMs += ms;
    this.#numRuns++;
    for (const name in outputs) {
      this.#numOutputs++;
      this.#outputBytes += outputs[name]!.data.byteLength;
    }
  }

  /** Keys and values that the run gathers. */
  countGathered(bytes: number): void {
    this.#gatheredBytes += bytes;
  }

  /** What was counted since it was last taken. */
  take(): RunWork {
    const work = {
      runMs: this.#runMs,
      numRuns: this.#numRuns,
      numOutputs: this.#numOutputs,
      outputBytes: this.#outputBytes,
      gatheredBytes: this.#gatheredBytes,
    };
    this.#runMs = 0;
    this.#numRuns = 0;
    this.#numOutputs = 0;
    this.#outputBytes = 0;
    this.#gatheredBytes = 0;
    return work;
  }
}
