import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { modelPath, params, startTestEngine, whole } from "./test-engine.ts";

const folder = modelPath("test/golden/models/llama2");

test("a folder without a tokenizer is served on token ids", async () => {
  const expected = JSON.parse(await readFile(`${folder}/expected.json`, "utf8"));
  await using running = await startTestEngine({ model: { path: folder, skipTokenizerInit: true } });
  const { engine } = running;
  assert.equal(engine.info.hasTokenizer, false);
  const ids: number[] = expected.prompts[0];
  const answer = await whole(engine, {
    prompt: { kind: "ids", ids },
    params: params({ maxTokens: 24, ignoreEos: true }),
  });
  assert.deepEqual(answer.tokenIds[0], expected.greedy[0].ids);
  assert.equal(answer.texts[0], "");
  const prompt = { kind: "text", text: "hi" } as const;
  await assert.rejects(whole(engine, { prompt, params: params() }), {
    code: "unsupported",
    message: /token ids/,
  });
  await assert.rejects(engine.tokenize(prompt), { code: "unsupported" });
});

test("without --skip-tokenizer-init such a folder is refused, and the cast is gone", async () => {
  await assert.rejects(startTestEngine({ model: { path: folder } }), { message: /tokenizer/ });
});
