import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plainToken } from "../../../src/text/added-tokens.ts";
import { parseSentencePieceModel } from "../../../src/text/sentencepiece/model-proto.ts";
import type { Tokenizer } from "../../../src/text/tokenizer.ts";
import {
  BASICS,
  BYTES,
  CHATGLM_TOKENS,
  folderOf,
  goldenModel,
  KIND,
  modelFile,
  tokenizerOfModel,
} from "./sample-models.ts";

const llama = goldenModel("sentencepiece-llama");
const names = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };

async function spell(tokenizer: Tokenizer, text: string, addSpecialTokens = false): Promise<string[]> {
  const ids = await tokenizer.encode(text, { addSpecialTokens });
  return Array.from(ids, (id) => tokenizer.tokenText(id)!);
}

describe("a SentencePiece tokenizer", () => {
  it("begins with the begin token unless the folder says otherwise, and ends with the end token if it does", async () => {
    const ids = async (settings: Parameters<typeof folderOf>[0]) => {
      const tokenizer = tokenizerOfModel(llama, folderOf(settings));
      return [...(await tokenizer.encode("", { addSpecialTokens: true }))];
    };
    assert.deepEqual(await ids({}), [1]);
    assert.deepEqual(await ids({ addBosToken: false }), []);
    assert.deepEqual(await ids({ addEosToken: true, specialTokens: names }), [1, 2]);
    assert.deepEqual(await ids({ specialTokens: { bos_token: "</s>" } }), [2]);
  });

  it("finds the special tokens that the folder names in a text, and only those", async () => {
    const named = tokenizerOfModel(llama, folderOf({ specialTokens: names }));
    assert.deepEqual((await spell(named, "a</s>a")).filter((token) => token === "</s>").length, 1);
    assert.deepEqual([...(await named.encode("</s>", { addSpecialTokens: false }))], [2]);
    const bare = tokenizerOfModel(llama);
    assert.equal((await spell(bare, "a</s>a")).includes("</s>"), false);
    const literal = await named.encode("</s>", { addSpecialTokens: false, isLiteral: true });
    assert.deepEqual(literal, await bare.encode("</s>", { addSpecialTokens: false }));
  });

  it("puts the dummy prefix before every stretch of a text, or once where legacy is off", async () => {
    const settings = { specialTokens: names };
    const legacy = await spell(tokenizerOfModel(llama, folderOf(settings)), "a</s>a");
    const modern = await spell(tokenizerOfModel(llama, folderOf({ ...settings, isLegacy: false })), "a</s>a");
    const afterToken = (tokens: string[]) => tokens.slice(tokens.indexOf("</s>") + 1).join("");
    assert.deepEqual([afterToken(legacy), afterToken(modern)], ["▁a", "a"]);
    assert.ok(modern[0]!.startsWith("▁"));
  });

  it("has the tokens that the folder adds, with the white space they take", async () => {
    const size = llama.pieces.length;
    const turn = { ...plainToken(size + 3, "<|turn|>", true), lstrip: true, rstrip: true };
    const tokenizer = tokenizerOfModel(llama, folderOf({ addedTokens: [turn] }));
    assert.equal(tokenizer.vocabSize, size + 4);
    assert.equal(tokenizer.tokenText(size + 1), null);
    assert.deepEqual((await spell(tokenizer, "a  <|turn|>  a")).join(""), "▁a<|turn|>▁a");
    assert.deepEqual(tokenizer.tokensOf([size + 3], { skipSpecialTokens: true }), []);
  });

  it("shows special tokens as they are spelled and unknown ones by their surface", () => {
    const tokenizer = tokenizerOfModel(llama);
    const show = (ids: number[], skipSpecialTokens: boolean) =>
      tokenizer.decoder.decode(tokenizer.tokensOf(ids, { skipSpecialTokens }));
    assert.equal(show([1, 0, 2], false), "<s> ⁇ </s>");
    assert.equal(show([1, 0, 2, 99_999, -1], true), "");
  });

  it("gives the raw bytes of tokens in the middle of a text", () => {
    const { decoder } = tokenizerOfModel(llama);
    const bytes = (token: string) => Buffer.from(decoder.bytesOf(token)).toString("latin1");
    assert.deepEqual(["<0xF0>", "▁the", "the"].map(bytes), ["\u00f0", " the", "the"]);
  });

  it("bounds the number of tokens only where no character can vanish", () => {
    assert.ok(tokenizerOfModel(llama).maxTokenChars < 100);
    const unigram = tokenizerOfModel(goldenModel("sentencepiece-unigram-nmt"));
    assert.equal(unigram.maxTokenChars, Number.MAX_SAFE_INTEGER);
  });
});

describe("ChatGLM's tokenizer", () => {
  const glm = tokenizerOfModel(llama, folderOf({ tokenizerClass: "ChatGLMTokenizer" }));
  const size = llama.pieces.length;

  it("has nine tokens after the vocabulary and begins every text with two of them", async () => {
    assert.equal(glm.vocabSize, size + 9);
    assert.deepEqual(
      CHATGLM_TOKENS.map((token) => glm.tokenId(token)),
      CHATGLM_TOKENS.map((_, index) => size + index),
    );
    assert.deepEqual([...(await glm.encode("", { addSpecialTokens: true }))], [size + 1, size + 3]);
  });

  it("cannot be made to write them by a text", async () => {
    const text = "<|user|>[gMASK]sop</s><s>";
    const ids = [...(await glm.encode(text, { addSpecialTokens: false }))];
    assert.ok(ids.every((id) => id > 2 && id < size));
    assert.equal(glm.decoder.decode(glm.tokensOf(ids, { skipSpecialTokens: true })), text);
  });

  it("tells a special token from a piece of the same spelling", () => {
    const pieces = [...BASICS, ...BYTES, ["sop", -1, KIND.normal], ["▁x", -2, KIND.normal]] as const;
    const bytes = modelFile(pieces, [
      [3, 2],
      [35, 1],
    ]);
    const model = parseSentencePieceModel(bytes, "m");
    const tokenizer = tokenizerOfModel(model, folderOf({}, "chatglm"));
    const piece = model.pieces.length - 2;
    const special = model.pieces.length + 3;
    const show = (ids: number[], skipSpecialTokens: boolean) =>
      tokenizer.decoder.decode(tokenizer.tokensOf(ids, { skipSpecialTokens }));
    assert.equal(tokenizer.tokenId("sop"), special);
    assert.equal(show([piece, special, piece], true), "sopsop");
    assert.equal(show([piece, piece + 1, special, piece + 1], false), "sop xsopx");
  });
});
