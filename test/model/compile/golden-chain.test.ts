import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Tensor, tensor } from "../../../src/execution/onnx-runtime.ts";
import { compileModel } from "../../../src/model/compile/compile-model.ts";
import { PRECISIONS, type Precision } from "../../../src/model/compiled-model.ts";
import { QUANTIZED_PRECISIONS } from "../../../src/model/precisions/stored-form.ts";
import { ropeTable } from "../../../src/model/rope.ts";
import { temporaryDir } from "../make-checkpoint.ts";
import { angleFeeds, openChain } from "./segment-chain.ts";

const golden = fileURLToPath(new URL("../../golden/models/", import.meta.url));
const understudy = fileURLToPath(new URL("../../../models/understudy", import.meta.url));
const NAMES = readdirSync(golden).sort();

interface Expected {
  readonly prompts: readonly (readonly number[])[];
  readonly logits_last: readonly (readonly number[])[];
}

const cache = temporaryDir();
after(() => cache[Symbol.dispose]());

function compileGolden(name: string, precision: Precision) {
  return compileModel({ modelDir: resolve(golden, name), precision, cacheDir: cache.path, layout: "blocks" });
}

/** Root mean square of the logits' error over that of the logits, and the largest error. */
async function errorOf(name: string, precision: Precision): Promise<{ relative: number; largest: number }> {
  const expected = JSON.parse(readFileSync(join(golden, name, "expected.json"), "utf8")) as Expected;
  using chain = openChain(await compileGolden(name, precision));
  let [errors, squares, largest] = [0, 0, 0];
  for (const [index, prompt] of expected.prompts.entries()) {
    const wanted = expected.logits_last[index]!;
    for (const [i, value] of chain.logits(prompt).slice(-wanted.length).entries()) {
      const error = value - wanted[i]!;
      errors += error ** 2;
      squares += wanted[i]! ** 2;
      largest = Math.max(largest, Math.abs(error));
    }
  }
  return { relative: Math.sqrt(errors / squares), largest };
}

for (const name of NAMES) {
  test(`${name} in fp32 gives the logits of Transformers`, async () => {
    assert.ok((await errorOf(name, "fp32")).largest < 1e-3);
  });
}

/** Random weights are the worst case; gemma3-text has six layers of them where most have two. */
const LIMITS = { w8: 0.1, w4: 0.7, w4g128: 0.7 } as const;

for (const name of NAMES) {
  test(`${name} in w8, w4 and w4g128 moves the logits by no more than the bits cost`, async (t) => {
    for (const precision of QUANTIZED_PRECISIONS) {
      const { relative } = await errorOf(name, precision);
      t.diagnostic(`${precision} moves the logits by ${(100 * relative).toFixed(1)} %`);
      assert.ok(relative < LIMITS[precision], `${precision}: ${relative}`);
    }
  });
}

/** Rows enough for every kernel's edge cases. */
const NUM_ROWS = 37;

for (const precision of PRECISIONS) {
  for (const name of [
    "bloom",
    "gemma3-text",
    "gpt-bigcode-mqa",
    "qwen2-tied",
    "qwen3",
    "qwen3-moe",
    understudy,
  ]) {
    test(`in ${precision}, ${basename(name)} gives a row the same bits alone and among others`, async () => {
      const compiled = await compileGolden(name, precision);
      const { model } = compiled;
      using chain = openChain(compiled, 2);
      const feeds: Record<string, Tensor> = {
        ids: tensor(
          "int64",
          BigInt64Array.from({ length: NUM_ROWS }, (_, i) => BigInt(i * 13)),
          [NUM_ROWS],
        ),
        positions: tensor(
          "int32",
          Int32Array.from({ length: NUM_ROWS }, (_, i) => i * 7),
          [NUM_ROWS],
        ),
        x: rows(NUM_ROWS, model.hiddenSize, 1),
        att: rows(NUM_ROWS, model.numHeads * model.headDim, 2),
        ...angleFeeds(
          model.ropes.map((spec) => ropeTable(spec, 512)),
          NUM_ROWS,
        ),
      };
      for (let index = 0; index <= model.numLayers; index++) {
        const together = chain.runSegment(index, feeds);
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
          const part = Object.entries(feeds).map(([input, value]) => [input, someRows(value, first, count)]);
          for (const [output, values] of Object.entries(chain.runSegment(index, Object.fromEntries(part)))) {
            const width = values.length / count;
            const same = together[output]!.slice(first * width, (first + count) * width);
            assert.deepEqual(
              values,
              same,
              `segment ${index}, ${output}, rows ${first} to ${first + count - 1}`,
            );
          }
        }
      }
    });
  }
}

/** Rows of very different magnitudes, so that a shared scale would show. */
function rows(count: number, width: number, seed: number): Tensor<"float32"> {
  const data = Float32Array.from({ length: count * width }, (_, i) => {
    return Math.sin(i * 12.9898 + seed) * 10 ** ((Math.floor(i / width) % 5) - 2);
  });
  return tensor("float32", data, [count, width]);
}

function someRows({ type, dims, data }: Tensor, first: number, count: number): Tensor {
  const width = dims[1] ?? 1;
  return tensor(type, data.slice(first * width, (first + count) * width), [count, ...dims.slice(1)]);
}
