/** SentencePiece models: the golden ones, and small ones written by hand. */
import { readFileSync } from "node:fs";
import type { TokenizerFolder } from "../../../src/text/loaders/tokenizer-source.ts";
import {
  parseSentencePieceModel,
  type SentencePieceModel,
} from "../../../src/text/sentencepiece/model-proto.ts";
import { SentencePieceTokenizer } from "../../../src/text/sentencepiece/sentencepiece-tokenizer.ts";
import { sentencePieceFamily } from "../../../src/text/sentencepiece/tokenizer-family.ts";
import type { SampleTokenizer } from "../sample-tokenizers.ts";

/** The numbers of ModelProto.SentencePiece.Type. */
export const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** A piece of a model to write: text, score, kind. */
export type PieceSpec = readonly [text: string, score: number, kind: number];

/** A field of a message: a number as varint, a text or bytes with its length. */
export type FieldSpec = readonly [number: number, value: number | string | Buffer];

/** Writes a message. */
export function message(...fields: readonly FieldSpec[]): Buffer {
  const chunks = fields.map(([number, value]) => {
    if (typeof value === "number") return Buffer.concat([varint(number << 3), varint(value)]);
    const bytes = Buffer.from(value as string);
    return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
  });
  return Buffer.concat(chunks);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

function pieceMessage([text, score, kind]: PieceSpec): Buffer {
  const float = Buffer.alloc(5);
  float[0] = (2 << 3) | 5;
  float.writeFloatLE(score, 1);
  return Buffer.concat([message([1, text]), float, message([3, kind])]);
}

/** Writes a model file. */
export function modelFile(
  pieces: readonly PieceSpec[],
  trainer: readonly FieldSpec[],
  normalizer: readonly FieldSpec[] = [],
): Buffer {
  const fields: FieldSpec[] = pieces.map((piece) => [1, pieceMessage(piece)]);
  return message(...fields, [2, message(...trainer)], [3, message(...normalizer)]);
}

/** `<unk>`, `<s>`, `</s>` as most models begin. */
export const BASICS: readonly PieceSpec[] = [
  ["<unk>", 0, KIND.unknown],
  ["<s>", 0, KIND.control],
  ["</s>", 0, KIND.control],
];
export const BYTES: readonly PieceSpec[] = Array.from({ length: 256 }, (_, byte) => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  0,
  KIND.byte,
]);

/** One of test/golden/tokenizers. */
export function goldenModel(name: string): SentencePieceModel {
  const url = new URL(`../../golden/tokenizers/${name}/tokenizer.model`, import.meta.url);
  return parseSentencePieceModel(readFileSync(url), "tokenizer.model");
}

/** A folder that says nothing beside its tokenizer, but for what is given. */
export function folderOf(
  settings: Partial<TokenizerFolder["settings"]> = {},
  modelType: string | null = null,
) {
  return {
    dir: "model",
    settings: {
      specialTokens: {},
      templates: [],
      addedTokens: [],
      tokenizerClass: null,
      addBosToken: null,
      addEosToken: null,
      addPrefixSpace: null,
      isLegacy: true,
      ...settings,
    },
    family: {
      modelType,
      architectures: [],
      origin: "",
      isGlm6b: false,
      userTokenId: null,
      assistantTokenId: null,
    },
  } satisfies TokenizerFolder;
}

/** A model with the tokens of its family. */
export function tokenizerOfModel(
  model: SentencePieceModel,
  folder: TokenizerFolder = folderOf(),
): SentencePieceTokenizer {
  return new SentencePieceTokenizer(model, sentencePieceFamily(model, folder), folder.settings.isLegacy);
}

/** What ChatGLM's Python class puts after the vocabulary. */
export const CHATGLM_TOKENS =
  "[MASK] [gMASK] [sMASK] sop eop <|system|> <|user|> <|assistant|> <|observation|>".split(" ");

/** Tokenizers of every kind of golden model, with a decoder that knows only whole texts. */
export function sentencePieceSamples(): SampleTokenizer[] {
  const samples = [
    ["SentencePiece: Llama", "sentencepiece-llama", folderOf()],
    ["SentencePiece: Baichuan", "sentencepiece-baichuan", folderOf()],
    ["SentencePiece: unigram", "sentencepiece-unigram-nmt", folderOf()],
    ["SentencePiece: ChatGLM", "sentencepiece-llama", folderOf({}, "chatglm")],
  ] as const;
  return samples.map(([name, golden, folder]) => {
    const model = goldenModel(golden);
    const added = folder.family.modelType === "chatglm" ? CHATGLM_TOKENS : [];
    return {
      name,
      tokenizer: tokenizerOfModel(model, folder),
      reference: async (ids, skip) => wholeText(model, added, ids, skip),
    };
  });
}

/** SentencePieceProcessor::Decode of a whole list at once; every special token that is shown begins a new list. */
function wholeText(
  model: SentencePieceModel,
  added: readonly string[],
  ids: readonly number[],
  skipSpecialTokens: boolean,
): string {
  let text = "";
  let run: number[] = [];
  for (const id of ids) {
    const piece = model.pieces[id];
    const special = piece === undefined ? added[id - model.pieces.length] : undefined;
    const shown = piece?.kind === "control" ? piece.text : special;
    const isHidden = piece?.kind === "unknown" && skipSpecialTokens;
    if (piece !== undefined && shown === undefined && !isHidden) run.push(id);
    if (shown === undefined || skipSpecialTokens) continue;
    text += decodeRun(model, run) + shown;
    run = [];
  }
  return text + decodeRun(model, run);
}

function decodeRun({ pieces, normalizer, unkSurface }: SentencePieceModel, ids: readonly number[]): string {
  const { addDummyPrefix, removeExtraWhitespaces } = normalizer;
  let text = "";
  let atStart = true;
  let hasSpaceGone = false;
  for (let i = 0; i < ids.length; ) {
    const bytes: number[] = [];
    for (; pieces[ids[i]!]?.kind === "byte"; i++) bytes.push(Number(pieces[ids[i]!]!.text.slice(1, -1)));
    text += decodeBytes(bytes);
    const piece = pieces[ids[i++]!];
    if (piece === undefined) break;
    if (hasSpaceGone || text !== "") atStart = false;
    let spelling = piece.kind === "unknown" ? unkSurface : piece.text;
    hasSpaceGone = false;
    if (atStart && piece.kind !== "unknown" && (addDummyPrefix || removeExtraWhitespaces)) {
      hasSpaceGone = spelling.startsWith("▁") && !removeExtraWhitespaces;
      spelling = spelling.replace(/^▁/, "");
    }
    text += spelling.replaceAll("▁", " ");
  }
  return text;
}

/** Every byte that begins no valid character is U+FFFD. */
function decodeBytes(bytes: readonly number[]): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const lengths = [1, 2, 3, 4].filter((length) => at + length <= bytes.length);
    const character = lengths
      .map((length) => Buffer.from(bytes.slice(at, at + length)).toString())
      .find((candidate) => !candidate.includes("\uFFFD") && [...candidate].length === 1);
    const valid =
      character ?? (Buffer.from(bytes.slice(at, at + 3)).equals(Buffer.from("\uFFFD")) ? "\uFFFD" : null);
    text += valid ?? "\uFFFD";
    at += valid === null ? 1 : Buffer.byteLength(valid);
  }
  return text;
}
