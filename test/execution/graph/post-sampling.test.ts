import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { parseConfig } from "../../../src/config/load-config.ts";
import { NO_TOKEN } from "../../../src/core/no-token.ts";
import {
  loadPostSampling,
  type PostSamplingSession,
} from "../../../src/execution/graph/post-sampling-session.ts";
import { argmaxGraph, topkGraph } from "../../../src/model/export/post-sampling.ts";
import { openPostSampling } from "../../../src/model/graphs/post-sampling.ts";
import { GraphBuilder } from "../../../src/model/onnx/graph-builder.ts";
import type { DataType } from "../../../src/model/onnx/tensor-proto.ts";
import type { SamplingFields } from "../../../src/sampling/create-sampling-params.ts";
import { Sampler } from "../../../src/sampling/sampler.ts";
import { sequenceOf } from "../../sampling/reference.ts";

const VOCAB = 150;
const folder = mkdtempSync(join(tmpdir(), "troupe-post-sampling-"));
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const argmax = fileOf("argmax.onnx", argmaxGraph(VOCAB));
const topk = fileOf("topk.onnx", topkGraph(VOCAB));
const model = { vocabSize: VOCAB, logitsType: "float32" } as const;

function open(graphs: { readonly argmax?: string; readonly topk?: string }): PostSamplingSession {
  const opened = openPostSampling(parseConfig({ graphs }).graphs, model);
  return loadPostSampling(opened, { vocabSize: VOCAB, numThreads: 1 });
}

/** A graph in half precision, for one row at a time, as MindSpore Serving's tool writes them. */
function halfArgmax(): Uint8Array {
  const graph = new GraphBuilder("argmax");
  const x = graph.input("x", "float16", [1, 1, VOCAB]);
  const ids = graph.node("ArgMax", [graph.node("Cast", [x], { to: 1 })], { axis: -1, keepdims: 0 });
  graph.output("y", graph.node("Cast", [ids], { to: 6 }), "int32", [1, 1]);
  return graph.build();
}

const FIELDS: readonly SamplingFields[] = [
  { temperature: 0 },
  { temperature: 0, presencePenalty: 1 },
  { topK: 1 },
  { topK: 7, temperature: 0.3 },
  { topK: 100, topP: 0.7 },
  { topK: 101 },
  { topK: 20, minP: 0.1 },
  { topK: 9, logitBias: new Map([[3, 5]]) },
  { topP: 0.8 },
  {},
];

test("with graphs every draw is what the host alone draws, ties and unusable rows included", () => {
  const graphs = open({ argmax, topk });
  const logit = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: -3, max: 3 }) },
    { weight: 8, arbitrary: fc.float({ min: -20, max: 20, noNaN: true }) },
    { weight: 1, arbitrary: fc.constant(Number.NEGATIVE_INFINITY) },
  );
  const spoiled = fc.constantFrom(null, null, null, Number.NaN, Number.POSITIVE_INFINITY);
  const row = fc.tuple(fc.array(logit, { minLength: VOCAB, maxLength: VOCAB }), spoiled, fc.nat(VOCAB - 1));
  fc.assert(
    fc.property(
      fc.array(row, { minLength: FIELDS.length, maxLength: FIELDS.length }),
      fc.nat(),
      (rows, seed) => {
        const logits = new Float32Array(rows.length * VOCAB);
        for (const [index, [values, spoil, place]] of rows.entries()) {
          logits.set(values, index * VOCAB);
          if (spoil !== null) logits[index * VOCAB + place] = spoil;
        }
        const batch = {
          step: 1,
          admitted: FIELDS.map((fields, sequence) => sequenceOf(fields, { sequence, seed: seed + sequence })),
          released: new Int32Array(0),
          draws: Int32Array.from(FIELDS.flatMap((_, index) => [index, index])),
          drafts: new Int32Array(FIELDS.length).fill(NO_TOKEN),
          promptScorings: [],
        };
        const alone = new Sampler({ vocabSize: VOCAB }).run(batch, logits);
        const helped = new Sampler({ vocabSize: VOCAB, postSampling: graphs }).run(batch, logits);
        assert.deepEqual(helped, alone);
      },
    ),
    { numRuns: 60 },
  );
  graphs.release();
});

test("graphs of other forms are understood: half precision, one row at a time, int32, two dimensions", () => {
  const half = openPostSampling(
    parseConfig({ graphs: { argmax: fileOf("half.onnx", halfArgmax()) } }).graphs,
    { vocabSize: VOCAB, logitsType: "float16" },
  );
  const session = loadPostSampling(half, { vocabSize: VOCAB, numThreads: 1 });
  const rows = Float32Array.from({ length: 3 * VOCAB }, (_, i) => (i % 41) / 8);
  assert.deepEqual([...session.largest(rows, 3)], [40, 13, 27]);
  session.release();
});

function graphWith(type: DataType, vocabSize: number): Uint8Array {
  const graph = new GraphBuilder("other");
  const x = graph.input("logits", type, ["batch", 1, vocabSize]);
  graph.output("ids", graph.node("ArgMax", [x], { axis: -1, keepdims: 0 }), "int64", ["batch", 1]);
  return graph.build();
}

for (const [what, bytes, expected] of [
  ["another element type", graphWith("float16", VOCAB), /takes float16 logits, and the model gives float32/],
  ["another vocabulary", graphWith("float32", 99), /is for 99 tokens, and the model has 150/],
  ["no logits", graphWith("int64", VOCAB), /takes \(logits: int64 \[batch, 1, 150\]\) and gives/],
  ["no graph", Buffer.from("garbage"), /is no ONNX model/],
] as const) {
  test(`an argmax graph with ${what} is refused by name`, () => {
    const path = fileOf(`${what}.onnx`, bytes);
    assert.throws(() => open({ argmax: path }), expected);
  });
}

test("a graph that names a token outside the vocabulary is at fault, not the request", () => {
  const graph = new GraphBuilder("wrong");
  const x = graph.input("logits", "float32", ["batch", 1, VOCAB]);
  const ids = graph.node("ArgMax", [x], { axis: -1, keepdims: 0 });
  graph.output("ids", graph.node("Add", [ids, graph.int64s([VOCAB])]), "int64", ["batch", 1]);
  const session = open({ argmax: fileOf("wrong.onnx", graph.build()) });
  assert.throws(
    () => session.largest(new Float32Array(VOCAB), 1),
    /gave token 150, and the vocabulary has 150/,
  );
  session.release();
});
