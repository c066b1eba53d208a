import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadSession, type Tensor, tensor } from "../../../src/execution/onnx-runtime.ts";
import { describeMixture } from "../../../src/model/architectures/mixture.ts";
import { gatedMlp, linear } from "../../../src/model/architectures/parts.ts";
import { feedForward } from "../../../src/model/blocks/mlp.ts";
import { enterMlp, leaveMlp } from "../../../src/model/blocks/mlp-halves.ts";
import { createTemporaryFolder } from "../../../src/model/compile/cache-folder.ts";
import { createProgress } from "../../../src/model/compile/progress.ts";
import { Segment } from "../../../src/model/compile/segment.ts";
import { writeSegments } from "../../../src/model/compile/write-segments.ts";
import { PRECISIONS, type Precision } from "../../../src/model/compiled-model.ts";
import type { MixtureDescription } from "../../../src/model/mlp-description.ts";
import { LINEAR_FORMS } from "../../../src/model/precisions/linear-forms.ts";
import { WeightStore } from "../../../src/model/safetensors/weight-store.ts";
import { safetensors, temporaryDir } from "../make-checkpoint.ts";

const [HIDDEN, INNER, SHARED, NUM_EXPERTS, NUM_CHOSEN] = [32, 48, 64, 16, 3];
const BIG = 37;

type Weights = Readonly<Record<string, Float32Array>>;

function makeWeights(): { readonly weights: Weights; readonly file: Buffer } {
  let state = 7;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const shapes: Record<string, number[]> = {
    "gate.weight": [NUM_EXPERTS, HIDDEN],
    "shared_gate.weight": [1, HIDDEN],
  };
  const addMlp = (module: string, inner: number) => {
    for (const name of ["gate_proj", "up_proj"]) shapes[`${module}.${name}.weight`] = [inner, HIDDEN];
    shapes[`${module}.down_proj.weight`] = [HIDDEN, inner];
  };
  for (let i = 0; i < NUM_EXPERTS; i++) addMlp(`experts.${i}`, INNER);
  addMlp("shared", SHARED);
  const weights: Record<string, Float32Array> = {};
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    weights[name] = Float32Array.from({ length: shape[0]! * shape[1]! }, next);
    return [name, { dtype: "F32", shape, data: weights[name] }] as const;
  });
  return { weights, file: safetensors(Object.fromEntries(tensors)) };
}

const { weights, file } = makeWeights();

function describe(options: {
  readonly normalizeWeights: boolean;
  readonly hasShared: boolean;
}): MixtureDescription {
  const activation = "silu";
  const shared = {
    mlp: gatedMlp("shared", HIDDEN, SHARED, { activation, segmentPrefix: "shared." }),
    gate: linear("shared.gate", HIDDEN, { shared_gate: 1 }, false),
  };
  return describeMixture("gate", HIDDEN, {
    numExperts: NUM_EXPERTS,
    numChosen: NUM_CHOSEN,
    normalizeWeights: options.normalizeWeights,
    expert: (i, segmentPrefix) => gatedMlp(`experts.${i}`, HIDDEN, INNER, { activation, segmentPrefix }),
    shared: options.hasShared ? shared : null,
  });
}

async function withMixture(
  description: MixtureDescription,
  precision: Precision,
  use: (run: (rows: Float32Array) => Float32Array) => void,
  buildParts = WHOLE,
): Promise<void> {
  using dir = temporaryDir();
  writeFileSync(join(dir.path, "model.safetensors"), file);
  await using store = await WeightStore.open(dir.path);
  const segments = buildParts.map((build, index) => {
    const segment = new Segment(`mixture-${index}`, LINEAR_FORMS[precision], store);
    build(segment, description);
    return segment;
  });
  const folder = await createTemporaryFolder(dir.path);
  await writeSegments(segments, { store, folder, progress: createProgress(undefined, undefined) });
  const sessions = segments.map(({ name, graphFile }) =>
    loadSession(join(folder.path, graphFile), { name, threads: 2, keepArena: false }),
  );
  try {
    use((rows) => {
      let feeds: Feeds = { x: tensor("float32", rows, [rows.length / HIDDEN, HIDDEN]) };
      for (const session of sessions) {
        const outputs = session.run(feeds, session.outputNames);
        feeds = Object.fromEntries(
          Object.entries(outputs).map(([name, value]) => [name.replace("part.", ""), value]),
        );
      }
      return feeds.y!.data as Float32Array;
    });
  } finally {
    for (const session of sessions) session.release();
  }
}

type Feeds = Readonly<Record<string, Tensor>>;
type BuildPart = (segment: Segment, description: MixtureDescription) => void;

const inputRows = ({ graph }: Segment) => graph.input("x", "float32", ["tokens", HIDDEN]);
const outputRows = ({ graph }: Segment, y: string) => graph.output("y", y, "float32", ["tokens", HIDDEN]);

const WHOLE: readonly BuildPart[] = [
  (segment, description) => outputRows(segment, feedForward(segment, inputRows(segment), description)),
];

/** As ranks compute it, with a single one that has all columns. */
const HALVES: readonly BuildPart[] = [
  (segment, description) => enterMlp(segment, inputRows(segment), description),
  (segment, description) => outputRows(segment, leaveMlp(segment, description)),
];

function product(name: string, row: readonly number[]): number[] {
  const weight = weights[`${name}.weight`]!;
  const numOutputs = weight.length / row.length;
  return Array.from({ length: numOutputs }, (_, i) =>
    row.reduce((sum, value, d) => sum + value * weight[i * row.length + d]!, 0),
  );
}

function plainMlp(module: string, row: readonly number[]): number[] {
  const up = product(`${module}.up_proj`, row);
  const gated = product(`${module}.gate_proj`, row).map((gate, i) => (gate / (1 + Math.exp(-gate))) * up[i]!);
  return product(`${module}.down_proj`, gated);
}

/** Softmax over all experts, the best few, their weighted sum; and the shared expert by its own gate. */
function plainMixture(row: readonly number[], { normalizeWeights, shared }: MixtureDescription): number[] {
  const powers = product("gate", row).map(Math.exp);
  const total = powers.reduce((a, b) => a + b);
  const best = [...powers.keys()].sort((a, b) => powers[b]! - powers[a]!).slice(0, NUM_CHOSEN);
  const scale = normalizeWeights ? best.reduce((sum, i) => sum + powers[i]!, 0) : total;
  const result = new Array<number>(row.length).fill(0);
  const add = (values: readonly number[], factor: number) => {
    for (const [d, value] of values.entries()) result[d]! += factor * value;
  };
  for (const i of best) add(plainMlp(`experts.${i}`, row), powers[i]! / scale);
  if (shared !== null) add(plainMlp("shared", row), 1 / (1 + Math.exp(-product("shared_gate", row)[0]!)));
  return result;
}

const rows = Float32Array.from({ length: BIG * HIDDEN }, (_, i) => Math.sin(i * 12.9898) * ((i % 5) + 0.3));

for (const normalizeWeights of [true, false]) {
  for (const hasShared of [true, false]) {
    const title = `weights ${normalizeWeights ? "" : "not "}normalised, ${hasShared ? "with" : "without"} a shared expert`;
    test(`a mixture agrees with plain arithmetic: ${title}`, async () => {
      const description = describe({ normalizeWeights, hasShared });
      await withMixture(description, "fp32", (run) => {
        const results = run(rows);
        for (let token = 0; token < BIG; token++) {
          const expected = plainMixture(
            [...rows.subarray(token * HIDDEN, (token + 1) * HIDDEN)],
            description,
          );
          for (const [d, value] of expected.entries()) {
            const actual = results[token * HIDDEN + d]!;
            assert.ok(
              Math.abs(actual - value) < 1e-3 * Math.max(1, Math.abs(value)),
              `${actual}, not ${value}`,
            );
          }
        }
      });
    });
  }
}

for (const precision of PRECISIONS) {
  test(`in ${precision} a token's mixture has the same bits in any company`, async () => {
    await withMixture(describe({ normalizeWeights: true, hasShared: true }), precision, (run) => {
      const together = run(rows);
      for (const [first, count] of [
        [0, 1],
        [36, 1],
        [5, 2],
        [11, 3],
        [3, 4],
        [1, 7],
        [20, 16],
        [0, 33],
      ] as const) {
        const part = run(rows.slice(first * HIDDEN, (first + count) * HIDDEN));
        assert.deepEqual(
          part,
          together.slice(first * HIDDEN, (first + count) * HIDDEN),
          `${first} + ${count}`,
        );
      }
      const same = run(Float32Array.from({ length: 9 * HIDDEN }, (_, i) => rows[i % HIDDEN]!));
      for (let copy = 0; copy < 9; copy++) {
        assert.deepEqual(
          same.slice(copy * HIDDEN, (copy + 1) * HIDDEN),
          together.slice(0, HIDDEN),
          "all alike",
        );
      }
    });
  });
}

for (const precision of PRECISIONS) {
  test(`in ${precision} a mixture in two halves has the bits of the whole`, async () => {
    const description = describe({ normalizeWeights: true, hasShared: true });
    const results: Float32Array[] = [];
    for (const parts of [WHOLE, HALVES]) {
      await withMixture(description, precision, (run) => void results.push(run(rows)), parts);
    }
    assert.deepEqual(results[1], results[0]);
  });
}
