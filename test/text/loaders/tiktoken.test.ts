import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { byteAlphabet } from "../../../src/text/decoders/byte-level.ts";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import { anyText } from "../arbitrary-text.ts";

/** The golden byte-level vocabulary as ranks: bytes by their order. */
async function goldenRanks(): Promise<Map<string, number>> {
  const url = new URL("../../golden/tokenizers/byte-level-bpe-vocab-merges/vocab.json", import.meta.url);
  const vocab: Record<string, number> = JSON.parse(await readFile(url, "utf8"));
  const alphabet = byteAlphabet();
  const tokens = Object.entries(vocab)
    .sort(([, a], [, b]) => a - b)
    .filter(([token]) => token !== "<|endoftext|>")
    .map(([token]) => [...token])
    .filter((characters) => characters.every((character) => alphabet.has(character)));
  return new Map(tokens.map((token, rank) => [token.map((c) => alphabet.get(c)).join(""), rank]));
}

const fileOf = (ranks: Iterable<readonly [string, number]>): string =>
  Array.from(ranks, ([bytes, rank]) => `${Buffer.from(bytes, "latin1").toString("base64")} ${rank}\n`).join(
    "",
  );

/** tiktoken, byte_pair_encode: the lowest rank first. */
function merge(piece: string, ranks: ReadonlyMap<string, number>): number[] {
  const whole = ranks.get(piece);
  if (whole !== undefined) return [whole];
  const parts = [...piece];
  for (;;) {
    const rankAt = (i: number) => ranks.get(parts[i]! + parts[i + 1]!) ?? Infinity;
    const places = parts.slice(1).map((_, i) => i);
    const best = places.reduce((a, b) => (rankAt(b) < rankAt(a) ? b : a), 0);
    if (parts.length < 2 || rankAt(best) === Infinity) return parts.map((part) => ranks.get(part)!);
    parts.splice(best, 2, parts[best]! + parts[best + 1]!);
  }
}

describe("tiktoken rank files", () => {
  let dir = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "troupe-tiktoken-"));
  });
  afterEach(() => rm(dir, { recursive: true }));
  const write = (name: string, content: unknown) =>
    writeFile(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));

  it("merge as tiktoken does", async () => {
    const ranks = await goldenRanks();
    await write("qwen.tiktoken", fileOf(ranks));
    await write("tokenizer_config.json", { tokenizer_class: "QWenTokenizer" });
    const tokenizer = await loadTokenizer(dir);
    await fc.assert(
      fc.asyncProperty(anyText, fc.stringMatching(/^[a-z]{0,12}$/), async (other, word) => {
        const [ids, wordIds] = await Promise.all(
          [other, word].map((text) => tokenizer.encode(text, { addSpecialTokens: false })),
        );
        assert.deepEqual([...wordIds!], word === "" ? [] : merge(word, ranks));
        const tokens = tokenizer.tokensOf(ids!, { skipSpecialTokens: false });
        assert.equal(tokenizer.decoder.decode(tokens), other.toWellFormed().normalize("NFC"));
      }),
      { numRuns: 100 },
    );
  });

  it("have Qwen's special tokens after the ranks", async () => {
    const ranks = await goldenRanks();
    await write("qwen.tiktoken", fileOf(ranks));
    await write("config.json", { model_type: "qwen" });
    const tokenizer = await loadTokenizer(dir);
    assert.equal(tokenizer.vocabSize, ranks.size + 208);
    assert.equal(tokenizer.tokenId("<|im_start|>"), ranks.size + 1);
    const end = await tokenizer.encode("<|im_end|>", { addSpecialTokens: false });
    assert.deepEqual([...end], [ranks.size + 2]);
    const literal = await tokenizer.encode("<|im_end|>", { addSpecialTokens: false, isLiteral: true });
    assert.ok(literal.length > 1);
    assert.ok(literal.every((id) => id < ranks.size));
  });

  it("under the name tokenizer.model are GLM-4's", async () => {
    const ranks = await goldenRanks();
    const contents = ["[gMASK]", "<sop>", "<|user|>"];
    const decoder = contents.map((content, index) => [ranks.size + index, { content, special: true }]);
    await write("tokenizer.model", fileOf(ranks));
    await write("tokenizer_config.json", {
      tokenizer_class: "ChatGLM4Tokenizer",
      added_tokens_decoder: Object.fromEntries(decoder),
    });
    const tokenizer = await loadTokenizer(dir);
    const ids = await tokenizer.encode("<|user|>", { addSpecialTokens: true });
    assert.deepEqual([...ids], [ranks.size, ranks.size + 1, ranks.size + 2]);
  });

  it("are refused where they are damaged or of an unknown class", async () => {
    const text = fileOf(await goldenRanks());
    await write("a.tiktoken", text);
    await assert.rejects(loadTokenizer(dir), { code: "unsupported_model", message: /a\.tiktoken.*QWen/ });
    await write("config.json", { model_type: "qwen" });
    const damaged: [string, RegExp][] = [
      [`${text}!! 9\n`, /line \d+ is no new token/],
      [`${text}YQ== 9999\n`, /is no new token/],
      ["YQ== 0\n", /no token for byte 0/],
    ];
    for (const [content, message] of damaged) {
      await write("a.tiktoken", content);
      await assert.rejects(loadTokenizer(dir), { code: "invalid_model", message });
    }
  });
});
