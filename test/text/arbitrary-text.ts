/** What fast-check draws from in the tests of this folder. */
import fc from "fast-check";

const PIECES = [
  "Hello",
  " world",
  "  ",
  "\n",
  "\t",
  "\r\n",
  "\u0000",
  "\u001b",
  "\u007f",
  "\ufeff",
  "�",
  "🙂",
  "👩‍👩‍👧‍👦",
  "🏳️‍🌈",
  "👍🏽",
  "🇩🇪",
  "❤️",
  "é",
  "e\u0301",
  "a\u0308\u0323",
  "ﬁ",
  "ß",
  "日本語",
  "描述一下",
  "한국어",
  "مرحبا",
  "שלום",
  "हिन्दी",
  "क्षि",
  "ภาษาไทย",
  "བོད",
  "𝕏",
  "𠮷",
  "'s",
  " .",
  "▁",
  "Ġ",
  "##x",
  "<s>",
];

/** Texts of many scripts, emoji sequences, combining and control characters. */
export const anyText = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: "binary" })), { maxLength: 12 })
  .map((pieces) => pieces.join(""));

/** Ids of a vocabulary and a few that it does not have. */
export const anyIds = (vocabSize: number): fc.Arbitrary<number[]> =>
  fc.array(
    fc.oneof(
      { weight: 20, arbitrary: fc.nat(vocabSize - 1) },
      { weight: 1, arbitrary: fc.nat(vocabSize + 9) },
    ),
    {
      maxLength: 24,
    },
  );

/** Cuts a list at places drawn at random; pieces may be empty. */
export function cutAt<T>(list: readonly T[], places: readonly number[]): T[][] {
  const cuts = [0, ...places.map((place) => place % (list.length + 1)), list.length].sort((a, b) => a - b);
  return cuts.slice(1).map((end, index) => list.slice(cuts[index], end));
}
