import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { compileModel } from "../../src/model/compile/compile-model.ts";
import { PRECISIONS, type Precision } from "../../src/model/compiled-model.ts";
import { temporaryDir } from "../model/make-checkpoint.ts";
import { GLM_PROMPT_END, glmLogits, writeGlm } from "./glm-6b-reference.ts";
import { argmax, assertSameBits, prefill, Stage } from "./stage.ts";

const PROMPTS = [[], [5], [7, 3, 99, 14, 2, 61, 8], Array.from({ length: 40 }, (_, i) => (i * 29) % 120)].map(
  (text) => [...text, ...GLM_PROMPT_END],
);

const folder = temporaryDir();
after(() => folder[Symbol.dispose]());

const weights = writeGlm(folder.path);

async function stageOf(precision: Precision): Promise<Stage> {
  return new Stage(
    await compileModel({ modelDir: folder.path, precision, cacheDir: join(folder.path, "cache") }),
  );
}

test("GLM-6B in fp32 agrees with its arithmetic, prompt and answer", async () => {
  const stage = await stageOf("fp32");
  for (const prompt of PROMPTS) {
    const sequence = stage.begin(prompt);
    let logits = prefill(stage, sequence);
    for (let step = 0; step < 12; step++) {
      const expected = glmLogits(weights, sequence.ids, prompt.length - 1);
      for (const [id, value] of logits.entries()) {
        assert.ok(Math.abs(value - expected[id]!) < 1e-3, `${prompt.length} tokens, step ${step}, id ${id}`);
      }
      sequence.ids.push(argmax(logits));
      [logits] = stage.step([{ sequence, numTokens: 1 }]) as [Float32Array];
    }
  }
  stage.runner.release();
});

for (const precision of PRECISIONS) {
  test(`GLM-6B in ${precision} has the same bits alone, among others and after recomputing`, async (t) => {
    const stage = await stageOf(precision);
    const sequences = PROMPTS.map((prompt) => stage.begin(prompt));
    const alone = sequences.map((sequence) => prefill(stage, sequence));
    const reference = PROMPTS.map((prompt) => glmLogits(weights, prompt, prompt.length - 1));
    const moved = alone.map((logits, i) => logits.map((value, id) => Math.abs(value - reference[i]![id]!)));
    t.diagnostic(`logits move by ${Math.max(...moved.map((row) => Math.max(...row))).toFixed(5)}`);
    for (const logits of alone) assert.ok(logits.every(Number.isFinite));
    const together = PROMPTS.map((prompt) => ({ sequence: stage.begin(prompt), numTokens: prompt.length }));
    for (const [i, logits] of stage.step(together).entries())
      assertSameBits(logits, alone[i]!, `prompt ${i}`);
    let rows = alone;
    for (let step = 0; step < 5; step++) {
      for (const [i, sequence] of sequences.entries()) sequence.ids.push(argmax(rows[i]!));
      rows = stage.step(sequences.map((sequence) => ({ sequence, numTokens: 1 })));
    }
    for (const [i, { ids, numPromptTokens }] of sequences.entries()) {
      assertSameBits(prefill(stage, stage.begin(ids, numPromptTokens)), rows[i]!, `prompt ${i} recomputed`);
      const again = stage.begin(ids, numPromptTokens);
      stage.step([{ sequence: again, numTokens: numPromptTokens }]);
      assertSameBits(prefill(stage, again, 2), rows[i]!, `prompt ${i} recomputed, its answer in chunks`);
    }
    stage.runner.release();
  });
}
