/** Tokenizers of every decoder family, small enough to read, and the library's own decoding to compare with. */
import { readFileSync } from "node:fs";
import { Tokenizer as Binding } from "tokenizers";
import { RustTokenizer } from "../../src/text/rust-tokenizer.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";

/** A tokenizer under test beside the library it must agree with. */
export interface SampleTokenizer {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** Rust's Tokenizer.decode. */
  readonly reference: (ids: readonly number[], skipSpecialTokens: boolean) => Promise<string>;
}

const special = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/** Numbers tokens from 0 on; the first three are special. */
function vocabulary(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(["<unk>", "<s>", "</s>", ...tokens].map((token, id) => [token, id]));
}

const BYTES = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);
const PIECES = [
  "▁",
  "▁▁",
  "▁the",
  "▁Hello",
  "Hello",
  "world",
  "a",
  "b",
  ".",
  ",",
  "'s",
  "日",
  "é",
  "\u0301",
  "🙂",
  "x▁y",
];

function tokenizerJson(
  tokens: readonly string[],
  decoder: unknown,
  model: Record<string, unknown> = {},
): unknown {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder,
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabulary(tokens),
      merges: [],
      ...model,
    },
  };
}

const replaceSpace = { type: "Replace", pattern: { String: "▁" }, content: " " };
const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };

/** tokenizer.json of Llama 2's kind: bytes where the vocabulary has no character, first space dropped. */
export function llamaTokenizerJson(): unknown {
  const decoders = [
    replaceSpace,
    { type: "ByteFallback" },
    { type: "Fuse" },
    { type: "Strip", content: " ", start: 1, stop: 0 },
  ];
  return tokenizerJson([...BYTES, ...PIECES], { type: "Sequence", decoders });
}

const WORDS = [
  "hello",
  "##lo",
  "##s",
  "world",
  ".",
  ",",
  "don",
  "'",
  "n't",
  "do not",
  "日",
  "##é",
  "a",
  "'s",
  "'m",
];

const JSONS: Readonly<Record<string, unknown>> = {
  "byte-level golden": readJson("../golden/tokenizers/byte-level-bpe-tokenizer-json/tokenizer.json"),
  understudy: readJson("../../models/understudy/tokenizer.json"),
  "Llama 2's kind": llamaTokenizerJson(),
  "Gemma's kind": tokenizerJson([...BYTES, ...PIECES], {
    type: "Sequence",
    decoders: [replaceSpace, { type: "ByteFallback" }, { type: "Fuse" }],
  }),
  "byte fallback, then Metaspace": tokenizerJson([...BYTES, ...PIECES], {
    type: "Sequence",
    decoders: [{ type: "ByteFallback" }, metaspace],
  }),
  Metaspace: tokenizerJson(PIECES, metaspace),
  "Metaspace that keeps the first space": tokenizerJson(PIECES, { ...metaspace, prepend_scheme: "never" }),
  WordPiece: tokenizerJson(WORDS, { type: "WordPiece", prefix: "##", cleanup: true }),
  "WordPiece without clean-up": tokenizerJson(WORDS, { type: "WordPiece", prefix: "##", cleanup: false }),
  "BPE with end-of-word suffix": tokenizerJson(["he", "llo</w>", "world</w>", "</w>", "a", "日</w>b</w>"], {
    type: "BPEDecoder",
    suffix: "</w>",
  }),
  "no decoder": tokenizerJson(WORDS, null),
  "Strip of each token": tokenizerJson(PIECES, {
    type: "Sequence",
    decoders: [replaceSpace, { type: "Strip", content: " ", start: 1, stop: 0 }],
  }),
  "Strip of the text, Replace of one character": tokenizerJson(["a", "aa", "b", "aba", "ba"], {
    type: "Sequence",
    decoders: [
      { type: "Fuse" },
      { type: "Strip", content: "a", start: 3, stop: 0 },
      { type: "Replace", pattern: { String: "b" }, content: "$&" },
    ],
  }),
};

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
}

/** Makes a tokenizer from a tokenizer.json as an object. */
export function tokenizerOf(json: unknown, namedTokens: readonly string[] = []): Tokenizer {
  return new RustTokenizer({ file: "tokenizer.json", text: JSON.stringify(json), json }, namedTokens);
}

/** All of them. */
export function sampleTokenizers(): SampleTokenizer[] {
  return Object.entries(JSONS).map(([name, json]) => {
    const binding = Binding.fromString(JSON.stringify(json));
    return {
      name,
      tokenizer: tokenizerOf(json),
      reference: (ids, skipSpecialTokens) => binding.decode([...ids], skipSpecialTokens),
    };
  });
}
