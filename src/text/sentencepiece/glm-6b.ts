/**
 * The first ChatGLM's tokenizer, as tokenization_chatglm.py of THUDM/chatglm-6b defines it around `ice_text.model`: ids of
 * image tokens before the vocabulary, line breaks and runs of spaces spelled as tokens, `[gMASK] <sop>` after every text.
 */

import { TroupeError } from "../../errors/troupe-error.ts";
import { plainToken } from "../added-tokens.ts";
import { replaceAllStage } from "../decoders/replace-all.ts";
import { bytePiece, type Piece, type SentencePieceModel } from "./model-proto.ts";
import type { SentencePieceFamily } from "./tokenizer-family.ts";

/** What tokenizer_config.json decides. */
export interface Glm6bSettings {
  /** Ids that stand before the vocabulary: 20000 in the first release, 0 since images were taken out. */
  readonly numImageTokens: number;
  /** White space at the edges of a text goes, and runs of it become one space. */
  readonly removesSpace: boolean;
  readonly lowersCase: boolean;
  /** Named tokens that a text can spell. */
  readonly spelled: readonly string[];
}

const LINE_BREAK = "<n>";
const TAB = "<|tab|>";
const MAX_BLANK = 80;
const GMASK = "[gMASK]";
const START = "<sop>";
/** What the first release appends to the vocabulary as it loads it; later files hold it. */
const SPECIAL = ["[MASK]", GMASK, "[sMASK]", "<unused_0>", START, "<eop>", "<ENC>", "<dBLOCK>"];

/** The model with all ids in place. */
export function withGlm6bPieces(model: SentencePieceModel, numImageTokens: number): SentencePieceModel {
  const images = Array.from({ length: numImageTokens }, (_, id) => piece(`<image_${id}>`, "control"));
  const isWhole = model.pieces.some(({ text }) => text === GMASK);
  const shift = (id: number | null): number | null => (id === null ? null : id + numImageTokens);
  return {
    ...model,
    pieces: [...images, ...model.pieces, ...(isWhole ? [] : appendedPieces())],
    byteFallback: model.byteFallback || !isWhole,
    unkId: model.unkId + numImageTokens,
    bosId: shift(model.bosId),
    eosId: shift(model.eosId),
  };
}

/**
 * @param model from {@link withGlm6bPieces}
 * @throws TroupeError `invalid_model` when it lacks a token that every text needs
 */
export function glm6bFamily(model: SentencePieceModel, settings: Glm6bSettings): SentencePieceFamily {
  const ids = new Map(model.pieces.map(({ text }, id) => [text, id]));
  const idOf = (token: string): number => {
    const id = ids.get(token);
    if (id !== undefined) return id;
    const message = `${model.file} has no piece ${token}, which stands after every text. Download it again.`;
    throw new TroupeError("invalid_model", message, { details: { file: model.file, token } });
  };
  const spelled = settings.spelled.flatMap((token) => {
    const id = ids.get(token);
    return id === undefined ? [] : [{ ...plainToken(id, token, true), lstrip: true, rstrip: true }];
  });
  return {
    addedTokens: [],
    prefix: [],
    suffix: [idOf(GMASK), idOf(START)],
    spelled,
    prepare: (text) => spellWhitespace(cleanText(text, settings)),
    restore: replaceAllStage(WRITTEN),
  };
}

/** What stands for each token in a text. */
const WRITTEN: ReadonlyMap<string, string> = new Map([
  [LINE_BREAK, "\n"],
  [TAB, "\t"],
  ...Array.from({ length: MAX_BLANK - 1 }, (_, index) => [blank(index + 2), " ".repeat(index + 2)] as const),
]);

function appendedPieces(): Piece[] {
  return [
    ...SPECIAL.map((text) => piece(text, "control")),
    ...[...WRITTEN.keys()].filter((text) => text !== LINE_BREAK).map((text) => piece(text, "user-defined")),
    ...Array.from({ length: 256 }, (_, byte) => piece(bytePiece(byte), "byte")),
  ];
}

function piece(text: string, kind: Piece["kind"]): Piece {
  return { text, score: 0, kind };
}

function blank(length: number): string {
  return `<|blank_${length}|>`;
}

function cleanText(text: string, { removesSpace, lowersCase }: Glm6bSettings): string {
  const clean = removesSpace ? text.trim().replace(/\s+/g, " ") : text;
  return lowersCase ? clean.toLowerCase() : clean;
}

/** The longest runs first, from the left, as replacing 80 spaces, then 79, and so on does it. */
function spellWhitespace(text: string): string {
  return text
    .replaceAll("\n", LINE_BREAK)
    .replaceAll("\t", TAB)
    .replace(/ {2,80}/g, (run) => blank(run.length));
}
