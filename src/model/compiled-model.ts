/**
 * What compiling a checkpoint gives and a model-agent runs: ONNX segments, cut in one of two ways.
 *
 * Stacks are whole layers, with attention over pages inside, as many in a graph as its weights allow; there is a graph for each
 * form of keys and values over the same weights:
 *
 *     ids, positions, cos.*, sin.*, runs, pages -> k.N, v.N, sumOut, normedOut    the first
 *     sum, normed, cos.*, sin.*, runs, pages    -> k.N, v.N, sumOut, normedOut    those between
 *     sum, normed, ..., wanted                  -> k.N, v.N, logits               the last (often the first, too)
 *
 * Runs and pages are what blocks/attention-runs.ts and blocks/page-forms.ts say; wanted int64 [rows] are the tokens whose logits
 * are; k.N and v.N are what layer N adds to the pages. Blocks are cut at attention, which then runs elsewhere (many ranks,
 * devices that are not the CPU):
 *
 *     first : ids, positions, cos.*, sin.*   -> xOut, q, k, v       embed · norm · qkv · rope
 *     block : att, x, cos.*, sin.*           -> xOut, q, k, v       o-proj · residual · MLP · residual · norm · qkv · rope
 *     last  : att, x                         -> logits              o-proj · residual · MLP · residual · norm · lm-head
 *
 * All activations are flat float32: x and xOut (the next segment's x), sum and normed [tokens, hiddenSize], q and att [tokens, numHeads *
 * headDim], k and v [tokens, numKvHeads * headDim], logits [rows, vocabSize]; ids int64 [tokens], positions int32 [tokens] for
 * models that learned an embedding of each position.
 * One rank of several computes some columns of every product: whole heads, channels, a part of the vocabulary. Its layers
 * are cut again where the next product takes the columns of all ranks. An output part.NAME is this rank's columns of the next
 * segment's input NAME; att comes from all ranks too, and q, k, v are of this rank's heads:
 *
 *     first  : as above
 *     output : att                      -> part.added            o-proj                           for each layer
 *     up     : added, x                 -> xOut, part.inner      residual · norm · MLP's first product   for each layer
 *     down   : inner                    -> part.added            MLP's second product             for each layer
 *     entry  : added, x, cos.*, sin.*   -> xOut, q, k, v         residual · norm · qkv · rope     for each but the first
 *     last   : added, x                 -> logits                residual · norm · a part of lm-head
 *
 * Between up and down, mixtures hand on what the router chose: choices, choiceWeights, sharedWeight, part.sharedInner.
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
  /**
   * With prefix attention: half of the pairs turns by one dimension of the position and half by another, each with the
   * frequencies of rotaryDim / 2 dimensions. First the place in the prefix, that of its last token for all behind it;
   * then how far behind the prefix, 0 inside it. Absent: every pair turns by the place in the sequence.
   */
  readonly positions?: "prefix-and-block";
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
      }
    | {
        readonly kind: "longrope";
        /** Divide the frequency of each pair of dimensions while no sequence may grow beyond the original length. [rotaryDim / 2] */
        readonly shortFactors: readonly number[];
        /** The same where sequences may. [rotaryDim / 2] */
        readonly longFactors: readonly number[];
        readonly originalMaxPositions: number;
        /** Multiplies cos and sin. */
        readonly attentionFactor: number;
      };
}

/**
 * Attention that is not causal over a prompt (GLM): the prompt's tokens but the last few see one another in both
 * directions, so their keys and values depend on the whole prompt. It must be computed in one step, and no other prompt
 * can share its pages.
 */
export interface PrefixAttention {
  /** Tokens at the prompt's end that are causal already. */
  readonly numCausalTokens: number;
}

/** Weight precisions. w4 and w4g128 differ in the inputs that share a scale: 32 and 128. */
export const PRECISIONS = ["fp32", "w8", "w4", "w4g128"] as const;
/** One of {@link PRECISIONS}. */
export type Precision = (typeof PRECISIONS)[number];

/** Whole layers in a graph, or graphs that end at attention. */
export type Layout = "stacks" | "blocks";

/** Which part of a model one rank of several computes. */
export interface RankPart {
  /** From 0. */
  readonly rank: number;
  readonly numRanks: number;
  /** The tokens whose logits it computes: its rows of the head. */
  readonly firstLogit: number;
  readonly numLogits: number;
  /** Floats of a token, at most, that the ranks put together at a time. */
  readonly gatheredWidth: number;
}

/** compiled.json in the cache folder; the segment files and their external data lie beside it. */
export interface CompiledModel {
  readonly formatVersion: number;
  readonly architecture: string;
  readonly precision: Precision;
  /** Null for a whole model. */
  readonly part: RankPart | null;
  readonly hiddenSize: number;
  readonly numLayers: number;
  /** Of this rank, as numKvHeads. */
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  /** Of the whole model. */
  readonly vocabSize: number;
  readonly maxPositions: number;
  /** How the segments are cut. */
  readonly layout: Layout;
  /**
   * Files relative to compiled.json in the order they run. Of blocks [numLayers + 1], of one rank among several [4 * numLayers + 1];
   * a stack's name stands for the files of `stackFile`.
   */
  readonly segments: readonly string[];
  /** [numLayers] */
  readonly attention: readonly AttentionSpec[];
  /** Rope tables by number, as segments name them (cos.0, sin.0, ...). Empty for models without rotary positions. */
  readonly ropes: readonly RopeSpec[];
  /** Null for causal models. */
  readonly prefixAttention: PrefixAttention | null;
  /** Bytes of all weights as stored. */
  readonly weightBytes: number;
}
