/**
 * The ByteLevel decoder of GPT-2 and most vocabularies since: every byte is spelled as one printable character. Bytes of
 * an unfinished character are held until it is complete.
 */
import { decodeLossy, partialTailLength, toBinary } from "../utf8.ts";
import type { DecoderStage } from "./decoder-stage.ts";

/** `held` is the unfinished character's bytes. Gives one text, not tokens. */
export function byteLevelStage(): DecoderStage {
  const alphabet = byteAlphabet();
  const bytes = (token: string): string => spelledBytes(token, alphabet) ?? toBinary(token);
  return {
    middle: { count: 0, held: "" },
    push(state, tokens) {
      const binary = state.held + tokens.map(bytes).join("");
      const settled = binary.length - partialTailLength(binary);
      const text = decodeLossy(binary.slice(0, settled));
      return { state: { count: 0, held: binary.slice(settled) }, tokens: [text] };
    },
    flush: (state) => [decodeLossy(state.held)],
    bytes,
  };
}

/** Null when a character is none of the alphabet: the token then stands for its own UTF-8 bytes. */
function spelledBytes(token: string, alphabet: ReadonlyMap<string, string>): string | null {
  let binary = "";
  for (const character of token) {
    const byte = alphabet.get(character);
    if (byte === undefined) return null;
    binary += byte;
  }
  return binary;
}

/** Character to byte; github.com/openai/gpt-2, src/encoder.py, bytes_to_unicode. */
export function byteAlphabet(): ReadonlyMap<string, string> {
  const alphabet = new Map<string, string>();
  let numMoved = 0;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    const codePoint = isPrintable ? byte : 256 + numMoved++;
    alphabet.set(String.fromCodePoint(codePoint), String.fromCharCode(byte));
  }
  return alphabet;
}
