/**
 * Decoding as SentencePieceProcessor::Decode does it: `▁` becomes a space, byte pieces become characters as soon as they
 * are complete (each byte that belongs to none becomes U+FFFD), and the space that encoding put before a text is dropped.
 * Special tokens stand for themselves and begin a new text, as they do where transformers decodes with SentencePiece.
 */
import { characterStatus, decodeLossy } from "../utf8.ts";
import { byteOf } from "./byte-fallback.ts";
import type { DecoderStage, StageState } from "./decoder-stage.ts";

const SPACE_SYMBOL = "\u2581";
const REPLACEMENT = "\uFFFD";

/** What a model says about decoding. */
export interface SentencePieceDecoding {
  /** The first piece of a text loses its `▁`. */
  readonly dropsFirstSpace: boolean;
  /** So does every piece until the text has begun. */
  readonly dropsAllFirstSpaces: boolean;
  readonly hasBytePieces: boolean;
  /** The unknown token and what it decodes to. */
  readonly unknown: { readonly token: string; readonly surface: string };
}

/**
 * Put before a special token on its way to the decoder: its text alone does not tell it from a piece (ChatGLM has a
 * special token `sop` and a piece `sop`). No piece begins with it.
 */
export const SPECIAL_MARK = "\u0000";

/** `count` is 0 where a text begins and 1 inside it; `held` is the unfinished character's bytes. */
export function sentencePieceStage(options: SentencePieceDecoding): DecoderStage {
  const { unknown } = options;
  const byte = (token: string): string | null => (options.hasBytePieces ? byteOf(token) : null);
  const begin: StageState = { count: options.dropsFirstSpace ? 0 : 1, held: "" };

  const takeToken = (state: StageState, token: string, output: string[]): StageState => {
    const bytes = byte(token);
    if (bytes !== null) {
      const { text, held } = completeCharacters(state.held + bytes);
      output.push(text);
      return { count: 1, held };
    }
    output.push(REPLACEMENT.repeat(state.held.length));
    if (token === unknown.token) {
      output.push(unknown.surface);
      return { count: unknown.surface === "" ? state.count : 1, held: "" };
    }
    if (token.startsWith(SPECIAL_MARK)) {
      output.push(token.slice(SPECIAL_MARK.length));
      return begin;
    }
    const isFirst = state.count === 0 && options.dropsFirstSpace;
    const dropsSpace = isFirst && token.startsWith(SPACE_SYMBOL);
    const text = (dropsSpace ? token.slice(1) : token).replaceAll(SPACE_SYMBOL, " ");
    output.push(text);
    const hasBegun = !isFirst || text !== "" || (dropsSpace && !options.dropsAllFirstSpaces);
    return { count: hasBegun ? 1 : 0, held: "" };
  };

  return {
    middle: { count: 1, held: "" },
    push(state, tokens) {
      const output: string[] = [];
      for (const token of tokens) state = takeToken(state, token, output);
      return { state, tokens: output.filter((text) => text !== "") };
    },
    flush: ({ held }) => (held === "" ? [] : [REPLACEMENT.repeat(held.length)]),
    bytes: byte,
  };
}

/** A byte that can be part of no character is given up alone; those after it get another chance. */
function completeCharacters(binary: string): { readonly text: string; readonly held: string } {
  let text = "";
  let start = 0;
  for (let end = 1; end <= binary.length; ) {
    const status = characterStatus(binary.slice(start, end));
    if (status === "partial") {
      end++;
      continue;
    }
    text += status === "complete" ? decodeLossy(binary.slice(start, end)) : REPLACEMENT;
    start = status === "complete" ? end : start + 1;
    end = start + 1;
  }
  return { text, held: binary.slice(start) };
}
