import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { loadTokenizer } from "../../src/text/load-tokenizer.ts";
import { llamaTokenizerJson, sampleTokenizers, tokenizerOf } from "./sample-tokenizers.ts";

const goldenDir = fileURLToPath(
  new URL("../golden/tokenizers/byte-level-bpe-tokenizer-json", import.meta.url),
);
const bytesOf = (tokenizer: ReturnType<typeof tokenizerOf>, token: string) =>
  Buffer.from(tokenizer.decoder.bytesOf(token)).toString("latin1");

describe("tokenizer", () => {
  it("encodes and decodes every golden text as the library does", async () => {
    const tokenizer = await loadTokenizer(goldenDir);
    const { cases } = JSON.parse(await readFile(join(goldenDir, "expected.json"), "utf8"));
    assert.equal(cases.length, 25);
    for (const { text, ids, decoded } of cases) {
      assert.deepEqual([...(await tokenizer.encode(text, { addSpecialTokens: false }))], ids, text);
      assert.equal(tokenizer.decoder.decode(tokenizer.tokensOf(ids, { skipSpecialTokens: true })), decoded);
    }
  });

  it("encodes any string, lone surrogates and control characters too", async () => {
    const tokenizer = await loadTokenizer(goldenDir);
    for (const text of ["\ud800", "a\u0000b", "\udc00\ud83d", "\ufeff"]) {
      const ids = await tokenizer.encode(text, { addSpecialTokens: true });
      const decoded = tokenizer.decoder.decode(tokenizer.tokensOf(ids, { skipSpecialTokens: false }));
      assert.equal(decoded, text.toWellFormed());
    }
  });

  it("adds special tokens only when asked", async () => {
    const json = llamaTokenizerJson() as Record<string, unknown>;
    const single = [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
    const special_tokens = { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } };
    const pair = [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }];
    const post_processor = { type: "TemplateProcessing", single, pair, special_tokens };
    const tokenizer = tokenizerOf({ ...json, post_processor });
    assert.equal((await tokenizer.encode("a", { addSpecialTokens: true }))[0], 1);
    assert.notEqual((await tokenizer.encode("a", { addSpecialTokens: false }))[0], 1);
  });

  it("ignores truncation and padding that the file carries", async () => {
    const json = llamaTokenizerJson() as Record<string, unknown>;
    const truncation = { direction: "Right", max_length: 2, strategy: "LongestFirst", stride: 0 };
    const padding = {
      strategy: { Fixed: 64 },
      direction: "Right",
      pad_to_multiple_of: null,
      pad_id: 0,
      pad_type_id: 0,
      pad_token: "<unk>",
    };
    const plain = await tokenizerOf(json).encode("abababab", { addSpecialTokens: false });
    const limited = await tokenizerOf({ ...json, truncation, padding }).encode("abababab", {
      addSpecialTokens: false,
    });
    assert.deepEqual(limited, plain);
  });

  it("spells tokens as the vocabulary does, and knows ids that do not exist", () => {
    const { tokenizer } = sampleTokenizers()[1]!;
    assert.equal(tokenizer.tokenText(2), "<|im_end|>");
    assert.equal(tokenizer.tokenId("<|im_end|>"), 2);
    for (const id of [-1, 0.5, 2048, 2 ** 40, Number.NaN]) assert.equal(tokenizer.tokenText(id), null);
    assert.deepEqual(tokenizer.tokensOf([2048, 2, -1], { skipSpecialTokens: false }), ["<|im_end|>"]);
    assert.equal(tokenizer.vocabSize, 2048);
  });

  it("gives the raw bytes of tokens in every spelling", () => {
    const [byteLevel, , llama] = sampleTokenizers();
    assert.equal(bytesOf(byteLevel!.tokenizer, "Ġhe"), " he");
    assert.equal(bytesOf(byteLevel!.tokenizer, "ðŁ"), "\u00f0\u009f");
    assert.equal(bytesOf(byteLevel!.tokenizer, "日"), Buffer.from("日").toString("latin1"));
    assert.equal(bytesOf(llama!.tokenizer, "<0xF0>"), "\u00f0");
    assert.equal(bytesOf(llama!.tokenizer, "▁the"), " the");
    const wordPiece = sampleTokenizers().find(({ name }) => name === "WordPiece")!;
    assert.equal(bytesOf(wordPiece.tokenizer, "##lo"), "lo");
    assert.equal(bytesOf(wordPiece.tokenizer, "world"), " world");
  });

  it("treats tokens that the configuration names as special, but only known ones", async () => {
    const tokenizer = tokenizerOf(llamaTokenizerJson(), ["Hello", "<|never|>"]);
    const hello = tokenizer.tokenId("Hello")!;
    assert.deepEqual(tokenizer.tokensOf([hello], { skipSpecialTokens: true }), []);
    assert.deepEqual([...(await tokenizer.encode("Hello", { addSpecialTokens: false }))], [hello]);
    assert.equal(tokenizer.tokenId("<|never|>"), null);
  });

  it("bounds the number of tokens of a text from below", async () => {
    for (const { tokenizer } of sampleTokenizers().slice(0, 3)) {
      const text = "The  quick brown 🙂 fox".repeat(20);
      const { length } = await tokenizer.encode(text, { addSpecialTokens: false });
      assert.ok(length >= text.length / tokenizer.maxTokenChars);
    }
  });
});

describe("a tokenizer file that is wrong", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "troupe-text-"));
  });
  after(() => rm(dir, { recursive: true }));

  async function failure(content: unknown): Promise<TroupeError> {
    await writeFile(
      join(dir, "tokenizer.json"),
      typeof content === "string" ? content : JSON.stringify(content),
    );
    return loadTokenizer(dir).then(
      () => assert.fail("it loaded"),
      (error) => (error instanceof TroupeError ? error : assert.fail(String(error))),
    );
  }
  const damaged = (changes: Record<string, unknown>) => ({ ...(llamaTokenizerJson() as object), ...changes });
  const model = (llamaTokenizerJson() as { model: object }).model;

  it("is refused with its name and the cause, and never ends the process", async () => {
    const added = {
      id: 999,
      content: "<x>",
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    };
    const files: [unknown, RegExp][] = [
      ["", /not JSON/],
      ["{", /not JSON/],
      ["null", /not an object/],
      ["[]", /not an object/],
      [{}, /model/],
      [damaged({ model: null }), /model/],
      [damaged({ model: { ...model, vocab: { a: -1 } } }), /expected u32/],
      [damaged({ model: { ...model, merges: ["a nothing"] } }), /out of vocabulary/],
      [
        damaged({ model: { ...model, merges: [["▁", "a"]], continuing_subword_prefix: "##" } }),
        /without its prefix/,
      ],
      [damaged({ added_tokens: [added] }), /id 999/],
      [damaged({ added_tokens: [{ id: 0 }] }), /added_tokens\.0\.content/],
      [damaged({ normalizer: { type: "Replace", pattern: { String: "" }, content: "x" } }), /empty pattern/],
      [
        damaged({ normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }),
        /precompiled_charsmap/,
      ],
      [
        damaged({
          normalizer: { type: "Sequence", normalizers: [{ type: "Precompiled", precompiled_charsmap: "!" }] },
        }),
        /precompiled_charsmap/,
      ],
      [
        damaged({
          post_processor: {
            type: "TemplateProcessing",
            single: [{ SpecialToken: { id: "<q>", type_id: 0 } }],
            pair: [],
            special_tokens: {},
          },
        }),
        /<q>/,
      ],
      [
        damaged({
          pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated", invert: false },
        }),
        /tokenizer\.json/,
      ],
    ];
    for (const [content, cause] of files) {
      const error = await failure(content);
      assert.equal(error.code, "invalid_model", JSON.stringify(content).slice(0, 80));
      assert.match(error.message, /tokenizer\.json/);
      assert.match(error.message, cause);
    }
  });

  it("with a decoder that cannot be streamed exactly is not supported", async () => {
    const sequence = (...decoders: unknown[]) => ({ type: "Sequence", decoders });
    const decoders = [
      { type: "CTC", pad_token: "<pad>", word_delimiter_token: "|", cleanup: true },
      { type: "Telepathy" },
      { type: "Replace", pattern: { Regex: "a+" }, content: "" },
      sequence({ type: "Fuse" }, { type: "ByteFallback" }),
      sequence({ type: "ByteLevel" }, { type: "Replace", pattern: { String: "ab" }, content: "" }),
      sequence(sequence({ type: "Fuse" }), { type: "WordPiece", prefix: "##", cleanup: true }),
    ];
    for (const decoder of decoders) {
      const error = await failure(damaged({ decoder }));
      assert.equal(error.code, "unsupported_model", JSON.stringify(decoder));
      assert.match(error.message, /tokenizer\.json/);
    }
  });

  it("or missing, or a folder, is told from one that is there", async () => {
    await rm(join(dir, "tokenizer.json"));
    await assert.rejects(loadTokenizer(dir), {
      code: "invalid_model",
      message:
        /no tokenizer\.json, nor tokenizer\.model, nor ice_text\.model, nor vocab\.json with merges\.txt, nor \*\.tiktoken.*skip/,
    });
    await assert.rejects(
      loadTokenizer(join(goldenDir, "tokenizer.json", "..")).then(() => loadTokenizer("/")),
      {
        code: "invalid_model",
      },
    );
  });
});
