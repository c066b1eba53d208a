/** Models as graphs, behind the scheduler and the edge. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startEngine } from "../../actors/engine.ts";
import type { PartialConfig } from "../../src/config/load-config.ts";
import { parseConfig } from "../../src/config/load-config.ts";
import { exportModel } from "../../src/model/export/export-model.ts";
import type { Engine } from "../../src/protocol/engine.ts";
import { folderOf } from "../execution/graph/graph-stage.ts";
import { toyDecoder } from "../execution/graph/toy-decoder.ts";
import { becomesIdle, modelPath, params, question, startTestEngine, whole } from "./test-engine.ts";

const scratch = mkdtempSync(join(tmpdir(), "troupe-graphs-"));
after(() => rmSync(scratch, { recursive: true }));

const QUESTIONS = [
  "What is 17 + 15?",
  "What is the capital of France?",
  "What day comes after Monday?",
  "Hello",
];
const ASKED = QUESTIONS.map((text) => ({ prompt: question(text), params: params({ maxTokens: 24 }) }));

/** The embedded model, exported once. */
const exported = exportModel({
  modelDir: modelPath("models/understudy"),
  outputDir: join(scratch, "understudy"),
  precision: null,
  maxModelLen: null,
});

/** What the embedded model itself answers. */
const expected = (async () => {
  await using original = await startTestEngine();
  return await answers(original.engine);
})();

async function answers(engine: Engine): Promise<readonly string[][]> {
  const all = await Promise.all(ASKED.map(async (request) => await whole(engine, request)));
  return all.map(({ texts }) => [...texts]);
}

interface Running extends AsyncDisposable {
  readonly engine: Engine;
}

async function start(partial: PartialConfig): Promise<Running> {
  const engine = await startEngine(parseConfig({ engine: { kvCacheMb: 64 }, ...partial }));
  return { engine, [Symbol.asyncDispose]: () => engine.stop() };
}

test("the exported model answers as the model it came from, alone and in a crowd", async () => {
  const { dir } = await exported;
  await using graphs = await start({ model: { path: dir } });
  assert.equal(graphs.engine.info.precision, "onnx");
  assert.equal(graphs.engine.info.architecture, "LlamaForCausalLM");
  assert.deepEqual(await answers(graphs.engine), await expected);
  const again = await whole(graphs.engine, ASKED[0]!);
  assert.deepEqual(again.texts, (await expected)[0]);
  assert.ok(again.usage.numCachedTokens > 0, "a prefix of the prompt was found in the cache");
  assert.ok(await becomesIdle(graphs.engine));
});

test("with buckets, half precision pages, few pages and post-sampling graphs it answers alike", async () => {
  const { dir } = await exported;
  const graphs = {
    argmax: join(dir, "argmax.onnx"),
    topk: join(dir, "topk.onnx"),
    seqLengths: [16, 32],
    prefillBatchSizes: [1, 2],
    decodeBatchSizes: [1, 4],
    actLengths: [32, 64, 128, 256],
  };
  const engine = {
    kvDtype: "f16",
    numPages: 6,
    pageSize: 8,
    maxModelLen: 48,
    maxNumBatchedTokens: 48,
    maxNumSeqs: 4,
  } as const;
  await using running = await start({ model: { path: dir }, graphs, engine });
  assert.deepEqual(await answers(running.engine), await expected);
  const sampled = {
    prompt: question("Tell me a story."),
    params: params({ temperature: 0.8, topK: 20, seed: 5, maxTokens: 24 }),
  };
  await using plain = await start({ model: { path: dir }, engine: { kvDtype: "f16" } });
  const [helped, alone] = [await whole(running.engine, sampled), await whole(plain.engine, sampled)];
  assert.deepEqual(helped.texts, alone.texts);
});

test("a pair of fixed shapes, told by lengths, serves token ids; a prompt too long for it is refused by its size", async (t) => {
  const dir = folderOf({
    files: {
      "prefill.onnx": toyDecoder({ form: "prefill", batch: 2, tokens: 24 }),
      "decode.onnx": toyDecoder({ form: "fixed", batch: 4, tokens: 1, past: 64 }),
      "model.onnx": toyDecoder({ form: "none" }),
    },
    config: { max_position_embeddings: 128 },
  });
  t.after(() => rmSync(dir, { recursive: true }));
  const model = { path: dir, skipTokenizerInit: true };
  await using pair = await start({ model, engine: { pageSize: 8, numPages: 9, kvCacheMb: 64 } });
  await using single = await start({ model, graphs: { prefill: [join(dir, "model.onnx")] } });
  assert.equal(pair.engine.info.maxModelLen, 64);
  const prompts = [3, 24, 9].map((length) => Array.from({ length }, (_, i) => (7 * i + length) % 32));
  // Four answers to a prompt grow side by side: more pages than there are, whenever which request arrives.
  const sampled = params({ maxTokens: 20, ignoreEos: true, temperature: 0.7, seed: 3, n: 4 });
  const run = async ({ engine }: Running) =>
    await Promise.all(
      prompts.map(async (ids) => {
        const { tokenIds } = await whole(engine, { prompt: { kind: "ids", ids }, params: sampled });
        return tokenIds;
      }),
    );
  assert.deepEqual(await run(pair), await run(single));
  assert.ok(pair.engine.status().counters.preemptions > 0, "pages ran out");
  const long = { kind: "ids", ids: Array.from({ length: 25 }, () => 1) } as const;
  await assert.rejects(whole(pair.engine, { prompt: long, params: params() }), {
    code: "prompt_too_long",
    message: /25 tokens.* 24/,
  });
  assert.ok(await becomesIdle(pair.engine));
});

const REFUSED: readonly (readonly [string, PartialConfig, RegExp])[] = [
  [
    "ranks for a whole graph",
    { engine: { tensorParallel: 2 } },
    /prefill\.onnx is a whole model, which one rank runs/,
  ],
  [
    "a precision for a graph",
    { model: { precision: "w8" } },
    /prefill\.onnx runs as it is, and model\.precision asks for w8/,
  ],
  [
    "guesses for a graph",
    { engine: { maxDraftTokens: 4 } },
    /prefill\.onnx runs as it is, a token of an answer at a time, and engine\.maxDraftTokens is 4/,
  ],
  ["a file that is no graph", { graphs: { topk: "package.json" } }, /is no ONNX model/],
  [
    "an input module that is not there",
    { graphs: { inputModule: "nowhere.ts" } },
    /graphs\.inputModule: .*nowhere\.ts cannot be loaded/,
  ],
];

for (const [what, partial, expectedError] of REFUSED) {
  test(`${what} ends the start with a word on it`, async () => {
    const { dir } = await exported;
    await assert.rejects(start({ ...partial, model: { path: dir, ...partial.model } }), expectedError);
  });
}

test("keys for graphs are refused for a model that is compiled", async () => {
  const model = { path: modelPath("models/understudy") };
  await assert.rejects(start({ model, graphs: { seqLengths: [64] } }), {
    code: "invalid_config",
    message: /graphs\.seqLengths says how graphs are run, but .*understudy has none/,
  });
});

test("an input that nobody gives ends the start with its name", async (t) => {
  const files = { "model.onnx": toyDecoder({ form: "fixed", tokens: 1 }) };
  const dir = folderOf({ files, config: { max_position_embeddings: 64 } });
  t.after(() => rmSync(dir, { recursive: true }));
  const inputModule = modelPath("test/actors/empty-inputs.ts");
  const graphs = { inputModule, basicInputs: "nothing" };
  await assert.rejects(
    start({ model: { path: dir, skipTokenizerInit: true }, graphs }),
    /input input_ids \(int64 \[batch, 1\]\) is wanted, which no input builder gives/,
  );
});
