import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readModelFolder } from "../../src/model/model-folder.ts";
import { assertFails } from "./assert-fails.ts";
import { temporaryDir } from "./make-checkpoint.ts";

async function read(files: Readonly<Record<string, string>>) {
  using dir = temporaryDir();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir.path, name), text);
  return await readModelFolder(dir.path);
}

test("end tokens of both files are merged", async () => {
  const folder = await read({
    "config.json": '{"architectures": ["LlamaForCausalLM"], "eos_token_id": 2}',
    "generation_config.json": '{"eos_token_id": [7, 2]}',
  });
  assert.deepEqual(folder.eosTokenIds, [2, 7]);
  assert.equal(folder.architecture, "LlamaForCausalLM");
});

test("a folder without config.json says so", async () => {
  await assertFails(() => read({}), "invalid_model", "config.json is missing");
});

test("a config.json that is not JSON names the file", async () => {
  await assertFails(() => read({ "config.json": "{" }), "invalid_model", "config.json is not JSON");
});

test("a config.json without architectures names the key", async () => {
  await assertFails(() => read({ "config.json": '{"hidden_size": 4}' }), "invalid_model", "architectures");
});

test("a checkpoint that is quantised already is refused by its method", async () => {
  const config = '{"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "gptq"}}';
  await assertFails(() => read({ "config.json": config }), "unsupported_model", "gptq", "bf16");
});
