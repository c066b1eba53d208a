/**
 * Prepares a text for a SentencePiece model: replaces characters, treats white space, writes spaces as `▁`.
 * normalizer.cc, Normalizer::Normalize.
 */
import { characterLengthAt, type PrefixMatcher } from "../prefix-matcher.ts";
import { CharsMap } from "./chars-map.ts";
import type { SentencePieceModel } from "./model-proto.ts";

const SPACE_SYMBOL = "\u2581";

/** See the module header. */
export class SentencePieceNormalizer {
  readonly #model: SentencePieceModel;
  readonly #charsMap: CharsMap | null;
  readonly #userDefined: PrefixMatcher;

  /** @param userDefined strings that stay as they are. */
  constructor(model: SentencePieceModel, userDefined: PrefixMatcher) {
    const { charsMap } = model.normalizer;
    this.#model = model;
    this.#charsMap = charsMap.length === 0 ? null : new CharsMap(charsMap, model.file);
    this.#userDefined = userDefined;
  }

  /**
   * @param text well-formed.
   * @param addsDummyPrefix whether a space goes before the text, where the model has one.
   */
  normalize(text: string, addsDummyPrefix: boolean): string {
    if (text === "") return "";
    const { addDummyPrefix, removeExtraWhitespaces, escapeWhitespaces } = this.#model.normalizer;
    const isPlain = this.#charsMap === null && (this.#userDefined.isEmpty || !removeExtraWhitespaces);
    let body = isPlain ? plain(text, removeExtraWhitespaces) : this.#replace(text);
    if (body === null) return "";
    if (escapeWhitespaces) body = body.replaceAll(" ", SPACE_SYMBOL);
    const space = escapeWhitespaces ? SPACE_SYMBOL : " ";
    const prefix = addDummyPrefix && addsDummyPrefix ? space : "";
    const { whitespaceAsSuffix } = this.#model;
    // A `▁` that the text itself spells goes too, and with it the prefix where nothing else is there.
    if (!whitespaceAsSuffix) body = prefix + body;
    if (removeExtraWhitespaces) body = withoutEnd(body, space);
    return whitespaceAsSuffix ? body + prefix : body;
  }

  /** Null for a text of nothing but spaces. */
  #replace(text: string): string | null {
    const { removeExtraWhitespaces } = this.#model.normalizer;
    const pieces: string[] = [];
    let isAfterSpace = removeExtraWhitespaces;
    let isAtStart = removeExtraWhitespaces;
    for (let at = 0; at < text.length; ) {
      const match = this.#pieceAt(text, at);
      at += match.length;
      isAtStart &&= match.replacement === " ";
      if (isAtStart) continue;
      const piece = isAfterSpace ? match.replacement.replace(/^ +/, "") : match.replacement;
      if (piece === "") continue;
      pieces.push(piece);
      isAfterSpace = removeExtraWhitespaces && piece.endsWith(" ");
    }
    return isAtStart ? null : pieces.join("");
  }

  /** NormalizePrefix. */
  #pieceAt(text: string, at: number): { readonly length: number; readonly replacement: string } {
    const userDefined = this.#userDefined.lengthAt(text, at);
    if (userDefined > 0) return { length: userDefined, replacement: text.slice(at, at + userDefined) };
    const match = this.#charsMap?.matchAt(text, at);
    if (match !== undefined && match !== null) return match;
    const length = characterLengthAt(text, at);
    return { length, replacement: text.slice(at, at + length) };
  }
}

/** Without a map every character is a piece of its own, so runs of spaces are all there is to it. */
function plain(text: string, removesExtra: boolean): string | null {
  if (!removesExtra) return text;
  const body = text.replace(/^ +/, "").replace(/ +/g, " ");
  return body === "" ? null : body;
}

/** A loop, because a pattern anchored at the end alone takes quadratic time. */
function withoutEnd(text: string, end: string): string {
  let length = text.length;
  while (text.endsWith(end, length)) length -= end.length;
  return text.slice(0, length);
}
