/**
 * What compiling a checkpoint gives and a model-agent runs: a chain of dense ONNX segments, split at attention.
 *
 *     first : ids, cos.*, sin.*              -> xOut, q, k, v       embed · norm · qkv · rope
 *     block : att, x, cos.*, sin.*           -> xOut, q, k, v       o-proj · residual · MLP · residual · norm · qkv · rope
 *     last  : att, x                         -> logits              o-proj · residual · MLP · residual · norm · lm-head
 *
 * All activations are flat float32: x and xOut (the next segment's x) [tokens, hiddenSize], q and att [tokens, numHeads * headDim],
 * k and v [tokens, numKvHeads * headDim], logits [rows, vocabSize]; ids int64 [tokens].
 * Rotary angles are fed, not stored: cos.N and sin.N are [tokens, rotaryDim / 2] rows of rope table N, one row for each
 * token, so every variant of scaling is plain arithmetic in rope.ts. A segment lists only the inputs it has.
 */

/** How one attention layer scores and masks. */
export interface AttentionSpec {
  /** Multiplies q·k. */
  readonly scale: number;
  /** A query sees itself and the window - 1 keys before it; null sees all. */
  readonly window: number | null;
  /** tanh soft cap on scores; null for none. */
  readonly softcap: number | null;
  /** ALiBi slope for each query head; null for none. */
  readonly alibiSlopes: readonly number[] | null;
}

/** A rotary variant, resolved: everything rope.ts needs to make angles. */
export interface RopeSpec {
  /** Dimensions of a head that turn (headDim, or less for partial rotary). */
  readonly rotaryDim: number;
  readonly theta: number;
  readonly scaling:
    | { readonly kind: "none" }
    | { readonly kind: "linear"; readonly factor: number }
    | { readonly kind: "dynamic"; readonly factor: number; readonly originalMaxPositions: number }
    | {
        readonly kind: "llama3";
        readonly factor: number;
        readonly lowFreqFactor: number;
        readonly highFreqFactor: number;
        readonly originalMaxPositions: number;
      }
    | {
        readonly kind: "yarn";
        readonly factor: number;
        readonly originalMaxPositions: number;
        readonly betaFast: number;
        readonly betaSlow: number;
        readonly attentionFactor: number | null;
        readonly truncate: boolean;
      };
}

/** Weight precisions. */
export const PRECISIONS = ["fp32", "w8", "w4"] as const;
/** One of {@link PRECISIONS}. */
export type Precision = (typeof PRECISIONS)[number];

/** compiled.json in the cache folder; the segment files and their external data lie beside it. */
export interface CompiledModel {
  readonly formatVersion: number;
  readonly architecture: string;
  readonly precision: Precision;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  /** Files relative to compiled.json: first, one block per layer but the last, last. [numLayers + 1] */
  readonly segments: readonly string[];
  /** [numLayers] */
  readonly attention: readonly AttentionSpec[];
  /** Rope tables by number, as segments name them (cos.0, sin.0, ...). Empty for models without rotary positions. */
  readonly ropes: readonly RopeSpec[];
  /** Bytes of all weights as stored. */
  readonly weightBytes: number;
}
