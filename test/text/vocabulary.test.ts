import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { TokenTrie } from "../../src/sampling/grammar/token-trie.ts";
import { TextModel } from "../../src/text/text-model.ts";

const text = await TextModel.load(fileURLToPath(new URL("../../models/understudy", import.meta.url)));
const { bytes, starts } = text.vocabulary();
const trie = new TokenTrie({ bytes, starts });

test("the bytes of a text's tokens are the text", async () => {
  for (const sample of ["Hello there, 17 + 15!", "夏天很热 😀 naïve", '{"name": "Ana"}\n\t']) {
    const ids = await text.encode(sample, { addSpecialTokens: false });
    const joined = Buffer.concat(Array.from(ids, (id) => trie.bytesOf(id)));
    assert.equal(joined.toString(), sample);
  }
});

test("special tokens have no bytes, every other token has some, and unknown ones none", () => {
  const numTokens = starts.byteLength / 4 - 1;
  assert.equal(numTokens, text.info.vocabSize);
  const silent = Array.from({ length: numTokens }, (_, id) => id).filter(
    (id) => trie.bytesOf(id).length === 0,
  );
  assert.deepEqual(
    silent.map((id) => text.decode([id], { skipSpecialTokens: false })),
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
  );
  assert.equal(trie.bytesOf(numTokens + 5).length, 0);
});
