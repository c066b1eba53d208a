/** Computes the rows of a step: as stacks of whole layers (stack-model.ts), or as blocks with attention between them. */
import type { ExecutionBatch } from "../scheduling/step-plan.ts";
import type { StepRows } from "./step-rows.ts";

/** A step with its rows in the order in which they are computed. */
export interface StepInput {
  readonly batch: ExecutionBatch;
  readonly rows: StepRows;
  /** Where each row's keys and values go; empty to keep none. [numRows] */
  readonly slots: Int32Array;
  /** Layers to pass before the last one's end: warm-up leaves some out where it can. Default: all. */
  readonly numLayers?: number;
}

/** Logits of a step. */
export interface StepLogits {
  /** A rank's part of the vocabulary, or all of it. [tokens, numLogits] */
  readonly rows: Float32Array;
  /** Which token of the batch each row belongs to. */
  readonly tokens: Int32Array;
}

/** A loaded model as the runner drives it. */
export interface StepModel {
  /**
   * Computes a step. Its keys and values are in their pages when {@link settle} has returned, which comes before the next step.
   *
   * @returns the logits that were asked for, readable until the next call; null for none
   * @throws TroupeError `not_ready` when the host asked to stop, `engine_failed`
   */
  run(step: StepInput): StepLogits | null;
  /** Writes keys and values of the last step that are not in their pages yet. */
  settle(): void;
  /** Frees the sessions. */
  release(): void;
}

/** Token ids in the order of the rows. */
export function idsOf(batch: ExecutionBatch, rows: StepRows): BigInt64Array {
  return BigInt64Array.from(rows.tokens, (token) => BigInt(batch.tokenIds[token]!));
}
