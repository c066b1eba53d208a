/** The bytes of every token in shared memory: what a grammar needs to know which tokens it allows. */
import type { TokenBytes } from "../sampling/grammar/token-trie.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Special tokens have none: they are no part of a text. */
export function tokenBytes(tokenizer: Tokenizer): TokenBytes {
  const tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => bytesOf(tokenizer, id));
  const numBytes = tokens.reduce((sum, token) => sum + token.length, 0);
  const bytes = new SharedArrayBuffer(numBytes);
  const starts = new SharedArrayBuffer(4 * (tokens.length + 1));
  const byteView = new Uint8Array(bytes);
  const startView = new Int32Array(starts); // [numTokens + 1]
  let position = 0;
  tokens.forEach((token, id) => {
    byteView.set(token, position);
    position += token.length;
    startView[id + 1] = position;
  });
  return { bytes, starts };
}

const NONE = new Uint8Array(0);

function bytesOf(tokenizer: Tokenizer, id: number): Uint8Array {
  const [token] = tokenizer.tokensOf([id], { skipSpecialTokens: true });
  return token === undefined ? NONE : tokenizer.decoder.bytesOf(token);
}
