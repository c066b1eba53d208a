/**
 * The weight-free ONNX graph of paged attention: gathers each sequence's pages, scores, masks, normalises, weighs.
 *
 * The bits of a query's result depend on its own keys alone, not on the other rows, the padding or the number of keys
 * in the run. Scores, softmax and the weighted sum of MLAS keep that as long as
 *   - the number of keys is a multiple of keyQuantum, so that a key meets the same SIMD lane and the same block of the sum,
 *   - one thread computes one head's product (see attention-plan.ts),
 *   - no product takes the one-row path of its own (see multiply).
 */
import type { KvDtype } from "../kv/forms/kv-form.ts";
import type { AttentionSpec } from "../model/compiled-model.ts";
import { float } from "../model/onnx/attribute-proto.ts";
import { GraphBuilder, type Value } from "../model/onnx/graph-builder.ts";
import { type GatheredRows, gatherRows } from "./page-inputs.ts";

/** The heads of one rank and the pages they lie in. */
export interface AttentionShape {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly pageSize: number;
}

/** Written into the mask where a query must not look: the exponential of anything near it is exactly 0. */
export const MASKED = -1e30;

/**
 * Keys of a run come in multiples of this. 64 covers the widest SIMD loop of softmax; heads over 128 wide need more than
 * 64 keys before MLAS cuts the head dimension into the same blocks whatever their number.
 */
export function keyQuantum(headDim: number): number {
  return headDim > 128 ? 128 : 64;
}

/**
 * Builds the graph for one kind of attention. Symbols: T block tables, n pages each, L = n * pageSize keys; B batches of
 * S queries, with T = B (each batch its own table) or T = 1 (all share one); KV, G, D as usual with KV * G query heads.
 *
 *     q      float32 [B, S, KV, G, D]
 *     keys   pages of the pool, see page-inputs.ts     values likewise
 *     table  int32   [T, n]
 *     mask   float32 [B, S, 1, L]   0 or MASKED, added to the scores; with ALiBi the distance key - query (<= 0) for 0
 *     scoreDims int64 [5]           KV, B, S, G, L
 *     att    float32 [B, S, KV, G, D]
 */
export function buildAttentionGraph(
  shape: AttentionShape,
  spec: Pick<AttentionSpec, "scale" | "softcap" | "alibiSlopes">,
  kvDtype: KvDtype,
): Uint8Array<ArrayBuffer> {
  const { numKvHeads: KV, headDim: D } = shape;
  const G = shape.numHeads / KV;
  const g = new GraphBuilder("attention");
  const q = g.input("q", "float32", ["B", "S", KV, G, D]);
  const table = g.input("table", "int32", ["T", "n"]);
  const keys = gatherRows(g, shape, kvDtype, "keys", table);
  const values = gatherRows(g, shape, kvDtype, "values", table);
  const mask = g.input("mask", "float32", ["B", "S", 1, "L"]);
  const scoreDims = g.input("scoreDims", "int64", [5]);

  const queries = g.node("Reshape", [
    g.node("Transpose", [q], { perm: [2, 0, 1, 3, 4] }),
    g.int64s([0, 0, -1, D]),
  ]);
  const flat = scores(g, queries, keys, spec); // [KV, B, S*G, L]
  const biased = addMask(g, g.node("Reshape", [flat, scoreDims]), mask, shape, spec.alibiSlopes); // [KV, B, S, G, L]
  const weights = g.node("Softmax", [biased], { axis: -1 });
  const flatWeights = g.node("Reshape", [weights, g.node("Shape", [flat])]); // [KV, B, S*G, L]
  const mixed = multiply(g, scaleColumns(g, flatWeights, values), values.rows, 1, {});
  const perQuery = g.node("Reshape", [mixed, g.int64s([0, 0, -1, G, D])]); // [KV, B, S, G, D]
  const att = g.node("Transpose", [perQuery], { perm: [1, 2, 0, 3, 4] });
  g.output("att", att, "float32", ["B", "S", KV, G, D]);
  return g.build();
}

/** Scaled and capped products of queries [KV, B, S*G, D] and keys [KV, T, L, D]: [KV, B, S*G, L]. */
function scores(
  g: GraphBuilder,
  queries: Value,
  keys: GatheredRows,
  spec: Pick<AttentionSpec, "scale" | "softcap">,
): Value {
  const product = multiply(g, queries, keys.rows, spec.scale / (spec.softcap ?? 1), { transB: 1 });
  const relative = scaleColumns(g, product, keys);
  if (spec.softcap === null) return relative;
  return g.node("Mul", [g.node("Tanh", [relative]), g.float32(spec.softcap)]);
}

/**
 * Multiplies the column of each key with the scale of its row. Cheaper than scaling the rows, which have more numbers
 * than the few queries of a decode have scores; and one form for all, since the other would give other bits.
 */
function scaleColumns(g: GraphBuilder, columns: Value, { scales }: GatheredRows): Value {
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
  shape: AttentionShape,
  slopes: readonly number[] | null,
): Value {
  if (slopes === null) return g.node("Add", [scoresByHead, mask]);
  const dims = [shape.numKvHeads, 1, 1, shape.numHeads / shape.numKvHeads, 1];
  const slope = g.initializer("slopes", "float32", dims, Float32Array.from(slopes));
  return g.node("Add", [scoresByHead, g.node("Mul", [mask, slope])]);
}
