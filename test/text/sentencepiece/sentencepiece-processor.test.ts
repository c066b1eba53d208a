import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseSentencePieceModel } from "../../../src/text/sentencepiece/model-proto.ts";
import { SentencePieceProcessor } from "../../../src/text/sentencepiece/sentencepiece-processor.ts";
import {
  BASICS,
  BYTES,
  type FieldSpec,
  goldenModel,
  KIND,
  modelFile,
  type PieceSpec,
} from "./sample-models.ts";

const BPE: FieldSpec = [3, 2];
const BYTE_FALLBACK: FieldSpec = [35, 1];
/** No dummy prefix, white space as it is. */
const AS_IT_IS: readonly FieldSpec[] = [
  [3, 0],
  [4, 0],
];

function piecesOf(
  pieces: readonly PieceSpec[],
  trainer: readonly FieldSpec[],
  normalizer: readonly FieldSpec[] = AS_IT_IS,
): (text: string) => string[] {
  const model = parseSentencePieceModel(modelFile([...BASICS, ...pieces], trainer, normalizer), "m");
  const processor = new SentencePieceProcessor(model);
  return (text) => processor.encode(text).map((id) => model.pieces[id]!.text);
}
const normal = (text: string, score: number): PieceSpec => [text, score, KIND.normal];
const letters = [..."abcd▁"].map((letter, index) => normal(letter, -10 - index));

describe("SentencePiece BPE", () => {
  it("merges by score whatever the order of training, the leftmost among equals", () => {
    const cut = piecesOf([...letters, normal("ab", -2), normal("bc", -1), normal("aa", -3)], [BPE]);
    assert.deepEqual(cut("abc"), ["a", "bc"]);
    assert.deepEqual(cut("aaa"), ["aa", "a"]);
  });

  it("makes a piece from any two neighbours that spell it", () => {
    const cut = piecesOf([...letters, normal("ab", -1), normal("cd", -2), normal("abcd", -3)], [BPE]);
    assert.deepEqual(cut("abcdab"), ["abcd", "ab"]);
  });

  it("gives the parts of a piece that is only a step", () => {
    const step: PieceSpec = ["ab", -1, KIND.unused];
    assert.deepEqual(piecesOf([...letters, step], [BPE])("abc"), ["a", "b", "c"]);
    assert.deepEqual(piecesOf([...letters, step, normal("abc", -2)], [BPE])("abcab"), ["abc", "a", "b"]);
  });

  it("keeps user-defined symbols whole, the longest first, and merges nothing into them", () => {
    const symbols: PieceSpec[] = [
      ["<a>", 0, KIND.userDefined],
      ["<a><a>", 0, KIND.userDefined],
      ["▁▁", 0, KIND.userDefined],
    ];
    const cut = piecesOf([...letters, ...symbols, normal("▁a", -1)], [BPE]);
    assert.deepEqual(cut("a<a><a><a>  a"), ["a", "<a><a>", "<a>", "▁▁", "a"]);
  });

  it("spells the unknown as bytes, or fuses it into one token without them", () => {
    const withBytes = piecesOf([...BYTES, ...letters], [BPE, BYTE_FALLBACK]);
    assert.deepEqual(withBytes("aé<s>"), ["a", "<0xC3>", "<0xA9>", "<0x3C>", "<0x73>", "<0x3E>"]);
    assert.deepEqual(piecesOf(letters, [BPE])("aéüb!"), ["a", "<unk>", "b", "<unk>"]);
  });

  it("takes a text of 200,000 characters in its stride", () => {
    const processor = new SentencePieceProcessor(goldenModel("sentencepiece-llama"));
    const ids = processor.encode("The quick brown fox ".repeat(10_000));
    assert.ok(ids.length > 10_000);
  });
});

describe("SentencePiece unigram", () => {
  const UNIGRAM: FieldSpec = [3, 1];
  it("takes the most probable way, not the longest pieces", () => {
    const pieces = [normal("a", -1), normal("b", -1), normal("abc", -9), normal("ab", -1), normal("c", -2)];
    assert.deepEqual(piecesOf(pieces, [UNIGRAM])("abc"), ["ab", "c"]);
  });

  it("prefers user-defined symbols and never uses unused pieces", () => {
    const pieces: PieceSpec[] = [...letters, ["ab", 0, KIND.userDefined], ["cd", 0, KIND.unused]];
    assert.deepEqual(piecesOf(pieces, [UNIGRAM])("abcd"), ["ab", "c", "d"]);
  });

  it("fuses neighbouring unknown characters", () => {
    assert.deepEqual(piecesOf(letters, [UNIGRAM])("a🙂éb"), ["a", "<unk>", "b"]);
  });
});

describe("SentencePiece white space", () => {
  const pieces = [...letters, normal("\n", -20)];
  const cut = (text: string, ...normalizer: FieldSpec[]) =>
    piecesOf(pieces, [BPE], normalizer)(text).join("");
  const [prefix, noPrefix, remove, keep]: FieldSpec[] = [
    [3, 1],
    [3, 0],
    [4, 1],
    [4, 0],
  ];

  it("gets a dummy prefix or none", () => {
    assert.equal(cut("a b", prefix!, keep!), "▁a▁b");
    assert.equal(cut("a b", noPrefix!, keep!), "a▁b");
    assert.equal(cut("", prefix!, keep!), "");
  });

  it("is kept, or reduced to single spaces between words", () => {
    assert.equal(cut("  a  b ", prefix!, keep!), "▁▁▁a▁▁b▁");
    assert.equal(cut("  a  b ", prefix!, remove!), "▁a▁b");
    assert.equal(cut("   ", prefix!, remove!), "");
    assert.equal(cut("▁", prefix!, remove!), "");
    assert.equal(cut(" \n ", noPrefix!, remove!), "\n");
  });

  it("goes behind the words where the model says so", () => {
    const suffix = piecesOf(letters, [BPE, [24, 1]], [prefix!, keep!]);
    assert.equal(suffix("a b").join(""), "a▁b▁");
  });

  it("is left alone inside user-defined symbols, though extra spaces go", () => {
    const symbol: PieceSpec = ["  ", 0, KIND.userDefined];
    const processed = piecesOf([...letters, symbol], [BPE], [noPrefix!, remove!, [5, 0]]);
    assert.deepEqual(processed("a  b"), ["a", "  ", "b"]);
  });
});
