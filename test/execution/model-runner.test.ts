import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createModelRunner } from "../../src/execution/model-runner.ts";
import { KV_DTYPES } from "../../src/kv/forms/kv-form.ts";
import { createKvMemory } from "../../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../../src/kv/logits-memory.ts";
import { type CompileResult, compileModel } from "../../src/model/compile/compile-model.ts";
import { assertSameBits, PAGE_SIZE, prefill, Stage } from "./stage.ts";

const cacheDir = mkdtempSync(join(tmpdir(), "troupe-runner-"));
after(() => rmSync(cacheDir, { recursive: true }));

const MODEL = fileURLToPath(new URL("../golden/models/mistral-sliding-window", import.meta.url));
/** Shares one head of keys among all heads of queries. */
const MULTI_QUERY = fileURLToPath(new URL("../golden/models/gpt-bigcode-mqa", import.meta.url));

/** Every way to cut a model; a stack with room for one layer makes a graph of each. */
const CUTS = {
  stacks: { layout: "stacks" },
  "a stack a layer": { layout: "stacks", maxStackBytes: 1 },
  blocks: { layout: "blocks" },
} as const;

function compile(cut: keyof typeof CUTS, modelDir = MODEL): Promise<CompileResult> {
  return compileModel({ modelDir, precision: "w8", cacheDir, ...CUTS[cut] });
}

function ids(count: number, seed = 1): number[] {
  return Array.from({ length: count }, (_, i) => (i * 131 + seed * 17) % 512);
}

for (const cut of Object.keys(CUTS) as (keyof typeof CUTS)[]) {
  const name = `model runner of ${cut}`;
  /** Whether to stop is asked before every graph; a whole stack is the only one. */
  const numChecks = cut === "stacks" ? 0 : 1;
  let compiled: CompileResult;
  before(async () => {
    compiled = await compile(cut);
  });

  for (const kvDtype of KV_DTYPES) {
    test(`${name} - in ${kvDtype} a prompt that starts with pages of another sequence gets the bits it has alone`, () => {
      const stage = new Stage(compiled, { kvDtype });
      const shared = ids(3 * PAGE_SIZE);
      const first = stage.begin([...shared, ...ids(5, 2)]);
      prefill(stage, first);
      const prompt = [...shared, ...ids(20, 3)];
      const cached = stage.begin(prompt);
      cached.blockTable.push(...first.blockTable.slice(0, 3));
      cached.numComputed = shared.length;
      assertSameBits(prefill(stage, cached), prefill(stage, stage.begin(prompt)), "with cached pages");
      stage.runner.release();
    });

    test(`${name} - in ${kvDtype} a page is copied before anything is written`, () => {
      const stage = new Stage(compiled, { kvDtype });
      const first = stage.begin(ids(20));
      prefill(stage, first);
      const fork = stage.begin([...first.ids, 7]);
      const copy = stage.takePage();
      fork.blockTable.push(first.blockTable[0]!, copy);
      fork.numComputed = 20;
      first.ids.push(9);
      const batch = stage.batchOf([
        { sequence: fork, numTokens: 1 },
        { sequence: first, numTokens: 1 },
      ]);
      const rows = stage.execute({ ...batch, pageCopies: Int32Array.of(first.blockTable[1]!, copy) });
      assertSameBits(rows[0]!, prefill(stage, stage.begin(fork.ids)), "fork");
      assertSameBits(rows[1]!, prefill(stage, stage.begin(first.ids)), "original");
      stage.runner.release();
    });
  }

  test(`${name} - logits rows are numbered as asked, whatever order the step computes in`, () => {
    const stage = new Stage(compiled);
    const prompts = [ids(40, 1), ids(3, 2), ids(70, 3), ids(12, 4)];
    const alone = prompts.map((prompt) =>
      stage.step([{ sequence: stage.begin(prompt), numTokens: prompt.length, logits: "all" }]),
    );
    const sequences = prompts.map((prompt) => stage.begin(prompt));
    for (const index of [1, 2]) {
      const rest = {
        sequence: sequences[index]!,
        numTokens: prompts[index]!.length - 1,
        logits: "none",
      } as const;
      assert.equal(stage.step([rest]).length, 0);
    }
    const batch = stage.batchOf(
      sequences.map((sequence, i) => ({ sequence, numTokens: prompts[i]!.length - sequence.numComputed })),
    );
    // A chunk of 40, a decode, a decode, a chunk of 12; of the chunks some rows in the middle too.
    const rows = stage.execute({ ...batch, logitTokens: Int32Array.of(3, 4, 30, 39, 40, 41, 42, 53) });
    const expected = [
      ...[3, 4, 30, 39].map((token) => alone[0]![token]!),
      alone[1]!.at(-1)!,
      alone[2]!.at(-1)!,
      alone[3]![0]!,
      alone[3]![11]!,
    ];
    for (const [row, logits] of rows.entries()) assertSameBits(logits, expected[row]!, `row ${row}`);
    stage.runner.release();
  });

  test(`${name} - the number of threads does not change a bit`, () => {
    const prompt = ids(150);
    const [one, two, five] = [1, 2, 5].map((numThreads) => {
      const stage = new Stage(compiled, { numThreads });
      const logits = prefill(stage, stage.begin(prompt), 40);
      stage.runner.release();
      return logits;
    });
    assertSameBits(two!, one!, "two threads");
    assertSameBits(five!, one!, "five threads");
  });

  test(`${name} - a step that wants no logits leaves the logits memory alone`, () => {
    const stage = new Stage(compiled);
    const [before] = stage.step([{ sequence: stage.begin(ids(5)), numTokens: 5 }]);
    stage.step([{ sequence: stage.begin(ids(9, 2)), numTokens: 9, logits: "none" }]);
    assertSameBits(stage.logitsRow(0), before!, "row 0");
    stage.runner.release();
  });

  test(`${name} - a step without tokens copies its pages and is done`, () => {
    const stage = new Stage(compiled);
    const sequence = stage.begin(ids(16));
    prefill(stage, sequence);
    const [from, to] = [sequence.blockTable[0]!, stage.takePage()];
    assert.deepEqual(stage.execute({ ...stage.batchOf([]), pageCopies: Int32Array.of(from, to) }), []);
    const pageElements = PAGE_SIZE * compiled.model.headDim;
    const keys = new Float32Array(stage.kv.layers[1]!.keys);
    const page = (number: number) => keys.slice(number * pageElements, (number + 1) * pageElements);
    assert.deepEqual(page(to), page(from));
    stage.runner.release();
  });

  test(`${name} - a step's keys and values are in their pages when it is settled`, () => {
    const stage = new Stage(compiled);
    const sequence = stage.begin(ids(5));
    prefill(stage, sequence);
    stage.runner.settle();
    const { headDim } = compiled.model;
    const row = sequence.blockTable[0]! * PAGE_SIZE + 4;
    for (const { keys, values } of stage.kv.layers) {
      for (const pool of [new Float32Array(keys), new Float32Array(values)]) {
        const last = pool.subarray(row * headDim, (row + 1) * headDim);
        assert.ok(last.every((value) => value !== 0));
        assert.ok(pool.subarray((row + 1) * headDim, (row + 2) * headDim).every((value) => value === 0));
      }
    }
    stage.runner.settle();
    stage.runner.release();
  });

  test(`${name} - warm-up writes no page`, () => {
    const stage = new Stage(compiled);
    const pages = stage.kv.layers.flatMap(({ keys, values }) => [
      new Float32Array(keys),
      new Float32Array(values),
    ]);
    for (const pool of pages) pool.fill(3);
    stage.runner.warmUp();
    for (const pool of pages) assert.ok(pool.every((value) => value === 3));
    stage.runner.release();
  });

  test(`${name} - more logits rows than the buffer holds is a broken invariant, named before anything runs`, () => {
    const stage = new Stage(compiled, { maxLogitRows: 4 });
    const sequence = stage.begin(ids(5));
    assert.throws(() => stage.step([{ sequence, numTokens: 5, logits: "all" }]), {
      code: "internal",
      message: /wants 5 rows of logits, the buffer holds 4/,
    });
    stage.runner.release();
  });

  test(`${name} - pages or logits of another model are refused`, () => {
    const { dir, model } = compiled;
    const kv = createKvMemory({ ...model, headDim: 8, kvDtype: "f32", pageSize: PAGE_SIZE, numPages: 4 });
    const logits = createLogitsMemory(4, model.vocabSize);
    const options = { compiledDir: dir, model, kv, logits, numThreads: 1, maxNumBatchedTokens: 8 };
    assert.throws(() => createModelRunner(options), {
      code: "invalid_model",
      details: { name: "headDim", got: 8, expected: model.headDim },
    });
  });

  test(`${name} - a step is abandoned between graphs when the host asks; the same step later is whole`, () => {
    let checksLeft = Number.POSITIVE_INFINITY;
    const stage = new Stage(compiled, { shouldStop: () => checksLeft-- <= 0 });
    const prompt = ids(30);
    const whole = prefill(stage, stage.begin(prompt));
    const sequence = stage.begin(prompt);
    checksLeft = numChecks;
    assert.throws(() => prefill(stage, sequence), { code: "not_ready" });
    checksLeft = Number.POSITIVE_INFINITY;
    assertSameBits(prefill(stage, sequence), whole, "second try");
    stage.runner.release();
  });

  test(`${name} - loading is abandoned between graphs when the host asks`, () => {
    let checksLeft = numChecks;
    assert.throws(() => new Stage(compiled, { shouldStop: () => checksLeft-- <= 0 }), { code: "not_ready" });
  });

  test(`${name} - a missing graph is an invalid model`, () => {
    const { dir, model } = compiled;
    const segments = [...model.segments.slice(0, -1), "gone.onnx"];
    assert.throws(() => new Stage({ dir, model: { ...model, segments } }), {
      code: "invalid_model",
      message: /Session gone(\.f32)?\.onnx could not be loaded/,
    });
  });
}

/** Prompts beside decodes of all lengths: with a window and without, one run of attention and many. @returns all logits, and decodes twice */
function playScene(stage: Stage): Float32Array[] {
  const lengths = [3, 90, 17, 300, 150];
  const sequences = lengths.map((length, index) => stage.begin(ids(length, index + 1)));
  const decoding: typeof sequences = [];
  const rows: Float32Array[] = [];
  for (const sequence of sequences) {
    const moves = [
      ...decoding.map((of) => ({ sequence: of, numTokens: 1 })),
      { sequence, numTokens: sequence.ids.length },
    ];
    rows.push(...stage.step(moves));
    decoding.push(sequence);
    for (const { ids: all } of decoding) all.push((all.length * 7) % 512);
  }
  for (let i = 0; i < 2; i++) {
    rows.push(...stage.step(decoding.map((sequence) => ({ sequence, numTokens: 1 }))));
    for (const { ids: all } of decoding) all.push((all.length * 7) % 512);
  }
  rows.push(...stage.step([{ sequence: sequences[3]!, numTokens: 1 }]));
  stage.runner.release();
  return rows;
}

for (const modelDir of [MODEL, MULTI_QUERY]) {
  for (const kvDtype of KV_DTYPES) {
    test(`model runner - ${basename(modelDir)} in ${kvDtype} has the same bits however it is cut, on any number of threads`, async () => {
      const stageOf = async (cut: keyof typeof CUTS, numThreads: number) =>
        new Stage(await compile(cut, modelDir), { kvDtype, numThreads });
      const expected = playScene(await stageOf("blocks", 1));
      for (const cut of ["stacks", "a stack a layer"] as const) {
        for (const numThreads of [1, 2, 3, 5]) {
          for (const [row, logits] of playScene(await stageOf(cut, numThreads)).entries())
            assertSameBits(logits, expected[row]!, `${cut}, ${numThreads} threads, row ${row}`);
        }
      }
    });
  }
}
