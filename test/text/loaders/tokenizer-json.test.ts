import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import { llamaTokenizerJson } from "../sample-tokenizers.ts";

describe("tokenizer.json", () => {
  let dir = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "troupe-json-"));
    await writeFile(join(dir, "tokenizer.json"), JSON.stringify(llamaTokenizerJson()));
  });
  afterEach(() => rm(dir, { recursive: true }));
  const boundaries = async (config: unknown) => {
    await writeFile(join(dir, "tokenizer_config.json"), JSON.stringify(config));
    return [...(await (await loadTokenizer(dir)).encode("", { addSpecialTokens: true }))];
  };
  const names = { bos_token: "<s>", eos_token: "</s>" };

  it("yields to Llama's class where the folder is explicit on begin and end tokens", async () => {
    const llama = { tokenizer_class: "LlamaTokenizerFast", ...names };
    assert.deepEqual(await boundaries(llama), []);
    assert.deepEqual(await boundaries({ ...llama, add_bos_token: true }), [1]);
    assert.deepEqual(await boundaries({ ...llama, add_eos_token: true }), [1, 2]);
    assert.deepEqual(await boundaries({ ...llama, add_bos_token: false }), []);
    assert.deepEqual(
      await boundaries({ ...names, tokenizer_class: "PreTrainedTokenizerFast", add_bos_token: true }),
      [],
    );
  });

  it("comes before the other files", async () => {
    const golden = new URL("../../golden/tokenizers/sentencepiece-llama/tokenizer.model", import.meta.url);
    const fromJson = (await loadTokenizer(dir)).vocabSize;
    await copyFile(fileURLToPath(golden), join(dir, "tokenizer.model"));
    assert.equal((await loadTokenizer(dir)).vocabSize, fromJson);
    await rm(join(dir, "tokenizer.json"));
    assert.equal((await loadTokenizer(dir)).vocabSize, 900);
  });
});
