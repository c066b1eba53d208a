/**
 * Runs the segments of a compiled model one after another with attention in plain JavaScript: slow, obvious, and
 * without pages, to prove the graphs by themselves.
 */
import { join } from "node:path";
import { loadSession, type Session, type Tensor, tensor } from "../../../src/execution/onnx-runtime.ts";
import type { CompileResult } from "../../../src/model/compile/compile-model.ts";
import type { AttentionSpec, CompiledModel } from "../../../src/model/compiled-model.ts";
import { type RopeTable, ropeTable } from "../../../src/model/rope.ts";

export interface SegmentChain extends Disposable {
  /** Logits of every token of one sequence. [tokens, vocabSize] */
  logits(ids: readonly number[]): Float32Array;
  /** Runs one segment on rows as they are. */
  runSegment(index: number, feeds: Readonly<Record<string, Tensor>>): Readonly<Record<string, Float32Array>>;
}

export function openChain({ dir, model }: CompileResult, threads = 1): SegmentChain {
  const sessions: Session[] = [];
  for (const name of model.segments) {
    sessions.push(loadSession(join(dir, name), { name, threads, keepArena: false }));
  }
  const ropes = model.ropes.map((spec) => ropeTable(spec, model.maxPositions));
  const runSegment = (index: number, feeds: Readonly<Record<string, Tensor>>) => {
    const session = sessions[index]!;
    const wanted = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]!]));
    const results = session.run(wanted, session.outputNames);
    return Object.fromEntries(
      Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]),
    );
  };
  return {
    runSegment,
    logits(ids) {
      const feeds: Record<string, Tensor> = {
        ids: tensor("int64", BigInt64Array.from(ids, BigInt), [ids.length]),
        positions: tensor("int32", Int32Array.from(ids.keys()), [ids.length]),
        ...angleFeeds(ropes, ids.length),
      };
      for (const [layer, spec] of model.attention.entries()) {
        const { xOut, q, k, v } = runSegment(layer, feeds) as Record<"xOut" | "q" | "k" | "v", Float32Array>;
        const att = attend(model, spec, { q, k, v });
        feeds.x = tensor("float32", xOut, [ids.length, model.hiddenSize]);
        feeds.att = tensor("float32", att, [ids.length, model.numHeads * model.headDim]);
      }
      return runSegment(model.numLayers, feeds).logits!;
    },
    [Symbol.dispose]() {
      for (const session of sessions) session.release();
    },
  };
}

/** cos.N and sin.N of positions 0 to numTokens - 1. */
export function angleFeeds(ropes: readonly RopeTable[], numTokens: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [index, rope] of ropes.entries()) {
    const { cos, sin } = rope.upTo(numTokens);
    const dims = [numTokens, rope.width];
    feeds[`cos.${index}`] = tensor("float32", cos.slice(0, numTokens * rope.width), dims);
    feeds[`sin.${index}`] = tensor("float32", sin.slice(0, numTokens * rope.width), dims);
  }
  return feeds;
}

interface Projections {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
}

/** Causal attention over a whole sequence. [tokens, numHeads * headDim] */
function attend(model: CompiledModel, spec: AttentionSpec, { q, k, v }: Projections): Float32Array {
  const { numHeads, numKvHeads, headDim } = model;
  const numTokens = q.length / (numHeads * headDim);
  const result = new Float32Array(q.length);
  for (let token = 0; token < numTokens; token++) {
    const first = spec.window === null ? 0 : Math.max(0, token - spec.window + 1);
    for (let head = 0; head < numHeads; head++) {
      const kvHead = Math.floor((head * numKvHeads) / numHeads);
      const query = (token * numHeads + head) * headDim;
      const key = (past: number) => (past * numKvHeads + kvHead) * headDim;
      const weights = softmax(
        Array.from({ length: token - first + 1 }, (_, i) => {
          let score = 0;
          for (let d = 0; d < headDim; d++) score += q[query + d]! * k[key(first + i) + d]!;
          const scaled = score * spec.scale;
          const capped = spec.softcap === null ? scaled : spec.softcap * Math.tanh(scaled / spec.softcap);
          return capped + (spec.alibiSlopes?.[head] ?? 0) * (first + i - token);
        }),
      );
      for (let d = 0; d < headDim; d++) {
        result[query + d] = weights.reduce((sum, weight, i) => sum + weight * v[key(first + i) + d]!, 0);
      }
    }
  }
  return result;
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
