import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createDetokenizer, detokenize } from "../../src/text/detokenizer.ts";
import { loadTokenizer } from "../../src/text/load-tokenizer.ts";

const root = fileURLToPath(new URL("../golden/tokenizers", import.meta.url));

interface GoldenCase {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
}

for (const name of readdirSync(root)) {
  describe(`golden tokenizer ${name}`, () => {
    const dir = join(root, name);
    const cases: GoldenCase[] = JSON.parse(readFileSync(join(dir, "expected.json"), "utf8")).cases;

    it("encodes every text", async () => {
      const tokenizer = await loadTokenizer(dir);
      assert.ok(cases.length > 20);
      for (const { text, ids } of cases)
        assert.deepEqual([...(await tokenizer.encode(text, { addSpecialTokens: false }))], ids, text);
    });

    it("decodes every text, whole and token by token", async () => {
      const tokenizer = await loadTokenizer(dir);
      for (const skipSpecialTokens of [true, false]) {
        for (const { ids, decoded } of cases) {
          const tokens = tokenizer.tokensOf(ids, { skipSpecialTokens });
          assert.equal(tokenizer.decoder.decode(tokens), decoded);
          let state = createDetokenizer(tokenizer, [], { skipSpecialTokens });
          let streamed = "";
          for (const [index, id] of ids.entries()) {
            const step = detokenize(tokenizer, state, [id], index === ids.length - 1);
            state = step.state;
            streamed += step.text;
          }
          assert.equal(streamed, decoded);
        }
      }
    });

    it("needs no fewer tokens than its longest token promises", async () => {
      const tokenizer = await loadTokenizer(dir);
      for (const { text, ids } of cases) assert.ok(ids.length >= text.length / tokenizer.maxTokenChars);
    });
  });
}
