/**
 * A tokenizer.model behind the Tokenizer interface, with the special tokens of its family. As in transformers' Python
 * classes, a text is cut at the special tokens it spells and each stretch between them is encoded on its own.
 */
import type { AddedToken } from "../added-tokens.ts";
import { SPECIAL_MARK, sentencePieceStage } from "../decoders/sentencepiece.ts";
import { TokenDecoder } from "../decoders/token-decoder.ts";
import { PrefixMatcher } from "../prefix-matcher.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "../tokenizer.ts";
import type { SentencePieceModel } from "./model-proto.ts";
import { SentencePieceProcessor } from "./sentencepiece-processor.ts";
import type { SentencePieceFamily } from "./tokenizer-family.ts";

/** A stretch of a text, or a special token in it. */
type Section = { readonly text: string } | { readonly token: AddedToken };

/** See the module header. */
export class SentencePieceTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly maxTokenChars: number;
  readonly decoder: TokenDecoder;
  readonly #processor: SentencePieceProcessor;
  readonly #family: SentencePieceFamily;
  readonly #tokens: readonly (string | undefined)[];
  readonly #ids: ReadonlyMap<string, number>;
  /** Ids of special tokens. */
  readonly #special: ReadonlySet<number>;
  readonly #spelled: ReadonlyMap<string, AddedToken>;
  readonly #matcher: PrefixMatcher;
  readonly #repeatsPrefix: boolean;
  readonly #unkId: number;

  /** @param repeatsPrefix the dummy prefix goes before every stretch of a text, not only before the first. */
  constructor(model: SentencePieceModel, family: SentencePieceFamily, repeatsPrefix: boolean) {
    const tokens: string[] = model.pieces.map(({ text }) => text);
    for (const { id, content } of family.addedTokens) tokens[id] = content;
    this.#processor = new SentencePieceProcessor(model);
    this.#family = family;
    this.#tokens = tokens;
    this.#ids = idsOf(model, family);
    this.#special = specialIds(model, family);
    this.#spelled = new Map(family.spelled.map((token) => [token.content, token]));
    this.#matcher = new PrefixMatcher(this.#spelled.keys());
    this.#repeatsPrefix = repeatsPrefix;
    this.#unkId = model.unkId;
    this.vocabSize = tokens.length;
    this.maxTokenChars = longestToken(model, tokens);
    this.decoder = decoderOf(model, family);
  }

  async encode(text: string, { addSpecialTokens, isLiteral }: EncodeOptions): Promise<Int32Array> {
    const { prefix, suffix, prepare = (stretch: string) => stretch } = this.#family;
    const ids: number[] = addSpecialTokens ? [...prefix] : [];
    const sections: readonly Section[] = isLiteral === true ? [{ text }] : this.#cut(text);
    for (const [index, section] of sections.entries()) {
      if ("token" in section) ids.push(section.token.id);
      else
        for (const id of this.#processor.encode(prepare(section.text), this.#repeatsPrefix || index === 0))
          ids.push(id);
    }
    return Int32Array.from(addSpecialTokens ? [...ids, ...suffix] : ids);
  }

  tokensOf(ids: Iterable<number>, { skipSpecialTokens }: DecodeOptions): string[] {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.#tokens[id];
      if (token === undefined) continue;
      if (!this.#special.has(id)) tokens.push(token);
      else if (!skipSpecialTokens) tokens.push(id === this.#unkId ? token : SPECIAL_MARK + token);
    }
    return tokens;
  }

  tokenText(id: number): string | null {
    return this.#tokens[id] ?? null;
  }

  tokenId(token: string): number | null {
    return this.#ids.get(token) ?? null;
  }

  #cut(text: string): readonly Section[] {
    const sections: Section[] = [];
    let start = 0;
    let stripsStart = false;
    const close = (end: number, stripsEnd: boolean): void => {
      let stretch = text.slice(start, end);
      if (stripsStart) stretch = stretch.trimStart();
      if (stripsEnd) stretch = stretch.trimEnd();
      if (stretch !== "") sections.push({ text: stretch });
    };
    for (let at = 0; at < text.length; ) {
      const length = this.#matcher.lengthAt(text, at);
      const token = length === 0 ? undefined : this.#spelled.get(text.slice(at, at + length));
      if (token === undefined) {
        at++;
        continue;
      }
      close(at, token.lstrip);
      sections.push({ token });
      at += length;
      start = at;
      stripsStart = token.rstrip;
    }
    close(text.length, false);
    return sections;
  }
}

/** Where a spelling is there more than once: added tokens before control tokens before pieces of text. */
function idsOf(
  { pieces }: SentencePieceModel,
  { addedTokens }: SentencePieceFamily,
): ReadonlyMap<string, number> {
  const ids = new Map(pieces.map(({ text }, id) => [text, id]));
  for (const [id, { text, kind }] of pieces.entries()) if (kind === "control") ids.set(text, id);
  for (const { id, content } of addedTokens) ids.set(content, id);
  return ids;
}

function specialIds({ pieces }: SentencePieceModel, family: SentencePieceFamily): ReadonlySet<number> {
  const reserved = pieces.flatMap(({ kind }, id) => (kind === "control" || kind === "unknown" ? [id] : []));
  const added = [...family.addedTokens, ...family.spelled].filter(({ special }) => special);
  return new Set([...reserved, ...added.map(({ id }) => id)]);
}

/** No bound where characters can vanish: into others, into nothing, or into one unknown token. */
function longestToken(model: SentencePieceModel, tokens: readonly (string | undefined)[]): number {
  const { charsMap, removeExtraWhitespaces } = model.normalizer;
  if (charsMap.length > 0 || removeExtraWhitespaces || !model.byteFallback) return Number.MAX_SAFE_INTEGER;
  return tokens.reduce((longest, token) => Math.max(longest, token?.length ?? 0), 1);
}

function decoderOf(model: SentencePieceModel, { restore }: SentencePieceFamily): TokenDecoder {
  const { addDummyPrefix, removeExtraWhitespaces } = model.normalizer;
  const stage = sentencePieceStage({
    dropsFirstSpace: addDummyPrefix || removeExtraWhitespaces,
    dropsAllFirstSpaces: removeExtraWhitespaces,
    hasBytePieces: model.byteFallback,
    unknown: { token: model.pieces[model.unkId]!.text, surface: model.unkSurface },
  });
  return new TokenDecoder(restore === undefined ? [stage] : [stage, restore]);
}
