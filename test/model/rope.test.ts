import assert from "node:assert/strict";
import { test } from "node:test";
import type { RopeSpec } from "../../src/model/compiled-model.ts";
import { inverseFrequencies, ropeTable } from "../../src/model/rope.ts";

/** One unit in the last place of float32, and a half for NumPy's own pow. */
const TOLERANCE = 1.5 * 2 ** -23;

// Computed with NumPy in float32, following Transformers' modeling_rope_utils.py line by line.
const cases: Readonly<
  Record<string, { spec: RopeSpec; maxPositions?: number; from?: number; expected: number[] }>
> = {
  "no scaling": {
    spec: { rotaryDim: 16, theta: 1e6, scaling: { kind: "none" } },
    expected: [
      1.0, 0.17782793939113617, 0.03162277862429619, 0.005623413249850273, 0.0010000000474974513,
      0.00017782794020604342, 3.162277425872162e-5, 5.62341347176698e-6,
    ],
  },
  linear: {
    spec: { rotaryDim: 16, theta: 1e4, scaling: { kind: "linear", factor: 4 } },
    expected: [
      0.25, 0.07905694097280502, 0.02500000037252903, 0.007905694656074047, 0.0024999999441206455,
      0.0007905694656074047, 0.0002500000118743628, 7.905694656074047e-5,
    ],
  },
  "dynamic beyond the original length": {
    spec: { rotaryDim: 16, theta: 1e4, scaling: { kind: "dynamic", factor: 2, originalMaxPositions: 512 } },
    maxPositions: 1024,
    expected: [
      1.0, 0.2702961266040802, 0.07305999100208282, 0.019747832790017128, 0.005337762646377087,
      0.0014427765272557735, 0.000389976950827986, 0.00010540925723034889,
    ],
  },
  "llama3, from kept over blended to stretched": {
    spec: {
      rotaryDim: 128,
      theta: 5e5,
      scaling: { kind: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 },
    },
    from: 24,
    expected: [
      0.00729266507551074, 0.0059407297521829605, 0.00483942124992609, 0.003942275885492563,
      0.0032114461064338684, 0.0021665706299245358, 0.0013718936825171113, 0.0008567514596506953,
      0.0005248460220173001, 0.0003126936499029398, 0.0001785077911335975, 9.556212899042293e-5,
      7.784655463183299e-5, 6.341514381347224e-5, 5.1659073506016284e-5, 4.208236714475788e-5,
    ],
  },
  yarn: {
    spec: yarn({ rotaryDim: 16, theta: 1e6, factor: 4, originalMaxPositions: 32768, truncate: true }),
    expected: [
      1.0, 0.17782793939113617, 0.03162277862429619, 0.004217559937387705, 0.0005000000237487257,
      4.4456985051510856e-5, 7.905693564680405e-6, 1.405853367941745e-6,
    ],
  },
  "yarn with a ramp that is not truncated": {
    spec: yarn({ rotaryDim: 64, theta: 1e4, factor: 40, originalMaxPositions: 4096, truncate: false }),
    from: 8,
    expected: [
      0.10000000149011612, 0.07498941570520401, 0.05623412877321243, 0.04036758467555046, 0.02771085873246193,
      0.01886006072163582, 0.012703143060207367, 0.008446235209703445, 0.005524062551558018,
      0.0035352581180632114, 0.0021957308053970337, 0.0013051095884293318, 0.0007226381567306817,
      0.0003498873848002404, 0.00011838764476124197, 3.333803397254087e-5,
    ],
  },
  "longrope, short while no sequence grows beyond the original length": {
    spec: longrope(),
    maxPositions: 4096,
    expected: [
      1.0, 0.3011693060398102, 0.09090909361839294, 0.02529822289943695, 0.006666666828095913,
      0.0015811389312148094, 0.00039999998989515007, 0.00010540925723034889,
    ],
  },
  "longrope, long where sequences may": {
    spec: longrope(),
    maxPositions: 4097,
    expected: [
      0.9259259104728699, 0.2874797582626343, 0.07692307978868484, 0.012649111449718475,
      0.0012499999720603228, 0.00015811389312148094, 2.499999936844688e-5, 4.9410591600462794e-6,
    ],
  },
};

function longrope(): RopeSpec {
  return {
    rotaryDim: 16,
    theta: 1e4,
    scaling: {
      kind: "longrope",
      shortFactors: [1, 1.05, 1.1, 1.25, 1.5, 2, 2.5, 3],
      longFactors: [1.08, 1.1, 1.3, 2.5, 8, 20, 40, 64],
      originalMaxPositions: 4096,
      attentionFactor: 1.25,
    },
  };
}

interface YarnSizes {
  readonly rotaryDim: number;
  readonly theta: number;
  readonly factor: number;
  readonly originalMaxPositions: number;
  readonly truncate: boolean;
}

function yarn({ rotaryDim, theta, ...sizes }: YarnSizes): RopeSpec {
  return {
    rotaryDim,
    theta,
    scaling: { kind: "yarn", betaFast: 32, betaSlow: 1, attentionFactor: null, ...sizes },
  };
}

function assertClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  for (const [i, value] of expected.entries()) {
    const error = Math.abs(actual[i]! - value);
    assert.ok(error <= tolerance * Math.abs(value), `${i}: ${actual[i]} instead of ${value}`);
  }
}

for (const [what, { spec, maxPositions = 512, from = 0, expected }] of Object.entries(cases)) {
  test(`inverse frequencies: ${what}`, () => {
    assertClose(inverseFrequencies(spec, maxPositions).subarray(from), expected, TOLERANCE);
  });
}

test("dynamic scaling changes nothing up to the original length", () => {
  const scaling = { kind: "dynamic", factor: 4, originalMaxPositions: 512 } as const;
  const plain = inverseFrequencies({ rotaryDim: 16, theta: 1e4, scaling: { kind: "none" } }, 512);
  assert.deepEqual(inverseFrequencies({ rotaryDim: 16, theta: 1e4, scaling }, 512), plain);
});

test("angles are products in float32, also far out", () => {
  const table = ropeTable({ rotaryDim: 8, theta: 1e4, scaling: { kind: "none" } }, 200_000);
  const { cos, sin } = table.upTo(100_004);
  const row = 100_003 * table.width;
  assertClose(
    cos.subarray(row),
    [0.9843148301024515, -0.8194255052114523, 0.5373501263046612, 0.8638370997959454],
    2 ** -23,
  );
  assertClose(
    sin.subarray(row),
    [-0.1764208469551775, -0.5731856953980587, 0.8433592601971978, -0.5037712427442935],
    2 ** -23,
  );
});

test("yarn turns cos and sin up by 0.1 ln(factor) + 1 unless the model says otherwise", () => {
  const sizes = { rotaryDim: 16, theta: 1e6, factor: 4, originalMaxPositions: 32768, truncate: true };
  assertClose(ropeTable(yarn(sizes), 64).upTo(1).cos, [1.138629436111989], 2 ** -23);
  const spec = yarn(sizes);
  const scaling = { ...spec.scaling, attentionFactor: 0.75 } as RopeSpec["scaling"];
  assert.equal(ropeTable({ ...spec, scaling }, 64).upTo(1).cos[0], 0.75);
});

test("longrope's factor is on cos and sin, short or long", () => {
  for (const maxPositions of [64, 8192])
    assert.equal(ropeTable(longrope(), maxPositions).upTo(1).cos[0], 1.25);
});

test("a table that grows keeps the rows it had", () => {
  const spec: RopeSpec = { rotaryDim: 8, theta: 1e4, scaling: { kind: "none" } };
  const grown = ropeTable(spec, 4096);
  const before = grown.upTo(10).cos.slice();
  const after = grown.upTo(3000).cos;
  assert.deepEqual(after.slice(0, before.length), before);
  assert.deepEqual(
    ropeTable(spec, 4096)
      .upTo(3000)
      .cos.slice(0, 3000 * 4),
    after.slice(0, 3000 * 4),
  );
});
