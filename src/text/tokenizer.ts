/**
 * What a tokenizer does for the rest of Troupe, whatever file it came from. Encoding may take long and runs in the
 * tokenizer pool; decoding is short, synchronous and can be streamed (see decoders/).
 */
import type { TokenDecoder } from "./decoders/token-decoder.ts";

/** Options of encoding. */
export interface EncodeOptions {
  /** Add what the model expects around a text, as its begin-of-sequence token. */
  readonly addSpecialTokens: boolean;
  /** The text cannot spell special tokens: `</s>` in it is four characters. Default false, as in transformers. */
  readonly isLiteral?: boolean;
}

/** Options of decoding. */
export interface DecodeOptions {
  /** Leave special tokens out of the text. */
  readonly skipSpecialTokens: boolean;
}

/** Text to token ids and back. */
export interface Tokenizer {
  /** Number of ids, added tokens included. */
  readonly vocabSize: number;
  /**
   * Characters of the longest token: a text of n characters has at least n / maxTokenChars tokens (unless the tokenizer
   * drops characters), so a far too long one can be refused without encoding it.
   */
  readonly maxTokenChars: number;
  /** Turns tokens into text, all at once or in a stream. */
  readonly decoder: TokenDecoder;
  /** @throws TroupeError `invalid_request` when the tokenizer refuses the text */
  encode(text: string, options: EncodeOptions): Promise<Int32Array>;
  /** The vocabulary's spelling of each id; ids it does not know, and special tokens if so wished, are left out. */
  tokensOf(ids: Iterable<number>, options: DecodeOptions): string[];
  /** The vocabulary's spelling of one id; null when it does not know it. */
  tokenText(id: number): string | null;
  tokenId(token: string): number | null;
}
