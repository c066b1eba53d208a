/**
 * What attention does with queries, keys and values, as nodes of a graph: scores, mask, softmax, weighted sum.
 *
 * The bits of a query's result depend on its own keys alone, not on the other rows, the padding or the number of keys
 * in the run. Scores, softmax and the weighted sum of MLAS keep that as long as
 *   - the number of keys is a multiple of keyQuantum, so that a key meets the same SIMD lane and the same block of the sum,
 *   - one thread computes one product,
 *   - no product takes the one-row path of its own (see multiply).
 *
 * Symbols: B batches of S queries, KV * G query heads of D numbers, L keys.
 */
import type { AttentionSpec } from "../compiled-model.ts";
import { float } from "../onnx/attribute-proto.ts";
import type { GraphBuilder, Value } from "../onnx/graph-builder.ts";

/** The heads of one rank. */
export interface AttentionHeads {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

/** Keys or values as they are multiplied. */
export interface KeyRows {
  /** float32 [..., L, D] */
  readonly rows: Value;
  /** What each row is still to be multiplied with; null for nothing. [..., 1, L] */
  readonly scales: Value | null;
}

/** Of one run. */
export interface AttentionOperands {
  /** Query heads that share a head of keys lie together; what comes before the last two dimensions fits the keys'. [..., rows, D] */
  readonly queries: Value;
  readonly keys: KeyRows;
  readonly values: KeyRows;
  /** float32 [B, S, 1, L]: 0 or {@link MASKED}, added to the scores; with ALiBi the distance key - query (<= 0) for 0 */
  readonly mask: Value;
  /** int64 [5]: KV, B, S, G, L */
  readonly scoreDims: Value;
}

type Scoring = Pick<AttentionSpec, "scale" | "softcap" | "alibiSlopes">;

/** Written into the mask where a query must not look: the exponential of anything near it is exactly 0. */
export const MASKED = -1e30;

/**
 * Keys of a run come in multiples of this. 64 covers the widest SIMD loop of softmax; heads over 128 wide need more than
 * 64 keys before MLAS cuts the head dimension into the same blocks whatever their number.
 */
export function keyQuantum(headDim: number): number {
  return headDim > 128 ? 128 : 64;
}

/** The weighted sums of the values, in the dimensions of the queries. */
export function attend(
  g: GraphBuilder,
  heads: AttentionHeads,
  spec: Scoring,
  { queries, keys, values, mask, scoreDims }: AttentionOperands,
): Value {
  const flat = scores(g, queries, keys, spec); // [..., rows, L]
  const biased = addMask(g, g.node("Reshape", [flat, scoreDims]), mask, heads, spec.alibiSlopes); // [KV, B, S, G, L]
  const weights = g.node("Softmax", [biased], { axis: -1 });
  const flatWeights = g.node("Reshape", [weights, g.node("Shape", [flat])]);
  return multiply(g, scaleColumns(g, flatWeights, values), values.rows, 1, {});
}

/** Scaled and capped products of queries [..., rows, D] and keys [..., L, D]. */
function scores(g: GraphBuilder, queries: Value, keys: KeyRows, spec: Scoring): Value {
  const product = multiply(g, queries, keys.rows, spec.scale / (spec.softcap ?? 1), { transB: 1 });
  const relative = scaleColumns(g, product, keys);
  if (spec.softcap === null) return relative;
  return g.node("Mul", [g.node("Tanh", [relative]), g.float32(spec.softcap)]);
}

/**
 * Multiplies the column of each key with the scale of its row. Cheaper than scaling the rows, which have more numbers
 * than the few queries of a decode have scores; and one form for all, since the other would give other bits.
 */
function scaleColumns(g: GraphBuilder, columns: Value, { scales }: KeyRows): Value {
  return scales === null ? columns : g.node("Mul", [columns, scales]);
}

/**
 * alpha * a · b. MLAS has a kernel of its own, with another order of sums, for a single row when alpha is 1; a result
 * doubled by alpha and halved afterwards is the same in all bits and never takes it.
 */
function multiply(
  g: GraphBuilder,
  a: Value,
  b: Value,
  alpha: number,
  attributes: Readonly<Record<string, number>>,
): Value {
  if (Math.fround(alpha) !== 1) {
    return g.node("com.microsoft.FusedMatMul", [a, b], { ...attributes, alpha: float(alpha) });
  }
  const doubled = g.node("com.microsoft.FusedMatMul", [a, b], { ...attributes, alpha: float(2) });
  return g.node("Mul", [doubled, g.float32(0.5)]);
}

/** Adds mask [B, S, 1, L], or with ALiBi slope times mask, to scores [KV, B, S, G, L]. */
function addMask(
  g: GraphBuilder,
  scoresByHead: Value,
  mask: Value,
  heads: AttentionHeads,
  slopes: readonly number[] | null,
): Value {
  if (slopes === null) return g.node("Add", [scoresByHead, mask]);
  const dims = [heads.numKvHeads, 1, 1, heads.numHeads / heads.numKvHeads, 1];
  return g.node("Add", [scoresByHead, g.node("Mul", [mask, g.float32s(dims, slopes)])]);
}
