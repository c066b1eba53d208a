import assert from "node:assert/strict";
import { test } from "node:test";
import { GLM_PROMPT_END, glmLogits, writeGlm } from "../execution/glm-6b-reference.ts";
import { argmax } from "../execution/stage.ts";
import { temporaryDir } from "../model/make-checkpoint.ts";
import { params, startTestEngine, whole } from "./test-engine.ts";

test("a model that reads prompts in both directions answers right, beyond a step's budget and in company", async () => {
  using dir = temporaryDir();
  const weights = writeGlm(dir.path);
  await using running = await startTestEngine({
    model: { path: dir.path, skipTokenizerInit: true, precision: "fp32" },
    engine: { maxNumBatchedTokens: 16, maxNumSeqs: 8 },
  });
  const text = Array.from({ length: 50 }, (_, i) => (i * 29) % 120);
  const prompts = [50, 3, 20, 50].map((length) => [...text.slice(0, length), ...GLM_PROMPT_END]);
  const answers = await Promise.all(
    prompts.map((ids) =>
      whole(running.engine, {
        prompt: { kind: "ids", ids },
        params: params({ maxTokens: 8, ignoreEos: true }),
      }),
    ),
  );
  for (const [i, prompt] of prompts.entries()) {
    const ids = [...prompt];
    for (let step = 0; step < 8; step++)
      ids.push(argmax(Float32Array.from(glmLogits(weights, ids, prompt.length - 1))));
    assert.deepEqual(answers[i]!.tokenIds[0], ids.slice(prompt.length), `prompt ${i}`);
    assert.equal(answers[i]!.usage.numCachedTokens, 0);
  }
});
