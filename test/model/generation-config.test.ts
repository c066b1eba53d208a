import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readGenerationConfig } from "../../src/model/generation-config.ts";
import { assertFails } from "./assert-fails.ts";
import { temporaryDir } from "./make-checkpoint.ts";

async function read(config: unknown) {
  using dir = temporaryDir();
  writeFileSync(join(dir.path, "generation_config.json"), JSON.stringify(config));
  return await readGenerationConfig(dir.path);
}

test("no file means no defaults", async () => {
  using dir = temporaryDir();
  assert.deepEqual(await readGenerationConfig(dir.path), { eosTokenIds: [], defaultParams: {} });
});

// generation_config.json of Qwen/Qwen2.5-0.5B-Instruct.
test("recommended sampling becomes the defaults of a request", async () => {
  const config = await read({
    bos_token_id: 151643,
    pad_token_id: 151643,
    do_sample: true,
    eos_token_id: [151645, 151643],
    repetition_penalty: 1.1,
    temperature: 0.7,
    top_p: 0.8,
    top_k: 20,
    transformers_version: "4.37.0",
  });
  assert.deepEqual(config, {
    eosTokenIds: [151645, 151643],
    defaultParams: { temperature: 0.7, topK: 20, topP: 0.8, repetitionPenalty: 1.1 },
  });
});

test("do_sample does not decide anything; null is absent; -1 switches top_k off", async () => {
  const config = await read({
    do_sample: false,
    temperature: 0.6,
    top_p: null,
    top_k: -1,
    eos_token_id: null,
  });
  assert.deepEqual(config, { eosTokenIds: [], defaultParams: { temperature: 0.6, topK: 0 } });
});

test("a value out of range is refused by name", async () => {
  await assertFails(() => read({ top_p: 1.5 }), "invalid_model", "generation_config.json", "top_p", "1.5");
});
