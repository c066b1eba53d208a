/** Text to ids as SentencePieceProcessor::Encode does it: normalise, cut into pieces, spell the unknown as bytes. */
import { PrefixMatcher } from "../prefix-matcher.ts";
import { bpeEncoder } from "./bpe-encoder.ts";
import { bytePiece, type Piece, type SentencePieceModel } from "./model-proto.ts";
import { SentencePieceNormalizer } from "./normalizer.ts";
import type { PieceEncoder } from "./piece-encoder.ts";
import { unigramEncoder } from "./unigram-encoder.ts";

/**
 * See the module header.
 *
 * @example
 * ```ts
 * const model = parseSentencePieceModel(await readFile("tokenizer.model"), "tokenizer.model");
 * new SentencePieceProcessor(model).encode("Hello world");
 * ```
 */
export class SentencePieceProcessor {
  readonly #model: SentencePieceModel;
  readonly #normalizer: SentencePieceNormalizer;
  readonly #cut: PieceEncoder;
  /** Ids of the 256 byte pieces; empty without byte fallback. */
  readonly #byteIds: readonly number[];

  constructor(model: SentencePieceModel) {
    const { pieces, byteFallback, modelType } = model;
    const userDefined = new PrefixMatcher(
      pieces.filter(({ kind }) => kind === "user-defined").map(({ text }) => text),
    );
    const ids = idsOf(pieces, isTextPiece);
    const reserved = idsOf(pieces, (piece) => !isTextPiece(piece));
    this.#model = model;
    this.#normalizer = new SentencePieceNormalizer(model, userDefined);
    this.#cut =
      modelType === "unigram" ? unigramEncoder(pieces, ids) : bpeEncoder(pieces, ids, reserved, userDefined);
    this.#byteIds = byteFallback
      ? Array.from({ length: 256 }, (_, byte) => reserved.get(bytePiece(byte)) ?? model.unkId)
      : [];
  }

  /** @param addsDummyPrefix whether the model's dummy prefix, if it has one, goes before this text. */
  encode(text: string, addsDummyPrefix = true): number[] {
    const { unkId, byteFallback } = this.#model;
    const normalized = this.#normalizer.normalize(text.toWellFormed(), addsDummyPrefix);
    const ids: number[] = [];
    let isAfterUnknown = false;
    for (const piece of this.#cut(normalized)) {
      const id = piece.id ?? unkId;
      const isUnknown = id === unkId;
      if (isUnknown && byteFallback) {
        for (const byte of Buffer.from(piece.text, "utf8")) ids.push(this.#byteIds[byte]!);
      } else if (!isUnknown || !isAfterUnknown) ids.push(id);
      isAfterUnknown = isUnknown;
    }
    return ids;
  }
}

function isTextPiece({ kind }: Piece): boolean {
  return kind === "normal" || kind === "user-defined" || kind === "unused";
}

function idsOf(pieces: readonly Piece[], isIn: (piece: Piece) => boolean): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) if (isIn(piece)) ids.set(piece.text, id);
  return ids;
}
