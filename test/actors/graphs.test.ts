/** Models as graphs, behind the scheduler and the edge. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exportModel } from "../../src/model/export/export-model.ts";
import { becomesIdle, modelPath, params, question, startTestEngine, whole } from "./test-engine.ts";

const scratch = mkdtempSync(join(tmpdir(), "troupe-graphs-"));
after(() => rmSync(scratch, { recursive: true }));

const QUESTIONS = [
  "What is 17 + 15?",
  "What is the capital of France?",
  "What day comes after Monday?",
  "Hello",
];

/** The embedded model, exported once. */
let exported: Promise<string> | null = null;
async function exportedModel(): Promise<string> {
  const modelDir = modelPath("models/understudy");
  const outputDir = join(scratch, "understudy");
  exported ??= exportModel({ modelDir, outputDir, precision: null, maxModelLen: null }).then(
    ({ dir }) => dir,
  );
  return await exported;
}

test("the exported model answers as the model it came from, alone and in a crowd", async () => {
  await using original = await startTestEngine();
  await using graphs = await startTestEngine({ model: { path: await exportedModel() } });
  assert.equal(graphs.engine.info.precision, "onnx");
  assert.equal(graphs.engine.info.architecture, original.engine.info.architecture);
  const asked = QUESTIONS.map((text) => ({ prompt: question(text), params: params({ maxTokens: 48 }) }));
  const expected = await Promise.all(asked.map(async (request) => await whole(original.engine, request)));
  const crowd = await Promise.all(asked.map(async (request) => await whole(graphs.engine, request)));
  assert.deepEqual(
    crowd.map(({ texts }) => texts),
    expected.map(({ texts }) => texts),
  );
  const alone = await whole(graphs.engine, asked[0]!);
  assert.deepEqual(alone.texts, expected[0]!.texts);
  assert.ok(await becomesIdle(graphs.engine));
});
