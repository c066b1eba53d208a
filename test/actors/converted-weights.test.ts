import assert from "node:assert/strict";
import { test } from "node:test";
import { planCast } from "../../actors/start-cast.ts";
import { weightsPlace } from "../model/convert/weights-place.ts";
import { modelPath, params, question, startTestEngine, testConfig, whole } from "./test-engine.ts";

const PROMPT = { prompt: question("What is 17 + 15?"), params: params() };

test("a folder converted to w8 and split into shards answers as the original does in w8", async () => {
  using place = weightsPlace();
  await place.convert(modelPath("models/understudy"), "w8", "w8");
  await place.split("w8", "two", 2);
  await using original = await startTestEngine({ model: { precision: "w8" } });
  const expected = await whole(original.engine, PROMPT);
  const model = { path: place.at("two"), cacheDir: place.cacheDir };
  await using running = await startTestEngine({ model, engine: { tensorParallel: 1 } });
  assert.equal(running.engine.info.precision, "w8");
  assert.deepEqual((await whole(running.engine, PROMPT)).tokenIds, expected.tokenIds);
});

test("a split folder is served by a rank for each shard", async () => {
  using place = weightsPlace();
  await place.split(modelPath("models/understudy"), "two", 2);
  const model = { path: place.at("two"), cacheDir: place.cacheDir };
  const { args } = await planCast(testConfig({ model }), {});
  assert.deepEqual(
    args.modelAgents.map(({ source: { model } }) => ("part" in model ? model.part?.numRanks : undefined)),
    [2, 2],
  );
  await using running = await startTestEngine({ model });
  await using original = await startTestEngine();
  const expected = await whole(original.engine, PROMPT);
  assert.deepEqual((await whole(running.engine, PROMPT)).tokenIds, expected.tokenIds);
});

test("asking for another precision than a folder is in is refused", async () => {
  using place = weightsPlace();
  await place.convert(modelPath("models/understudy"), "w8", "w8");
  const model = { path: place.at("w8"), precision: "w4" } as const;
  await assert.rejects(startTestEngine({ model }), { code: "invalid_model", message: /holds w8 weights/ });
});
