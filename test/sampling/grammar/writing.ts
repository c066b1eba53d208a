/** Vocabularies, and answers written under a grammar as a model without any sense would write them. */
import { uniformAt } from "../../../src/sampling/counter-random.ts";
import type { Grammar } from "../../../src/sampling/grammar/grammar.ts";
import { GrammarEngine, GrammarState } from "../../../src/sampling/grammar/grammar-engine.ts";
import type { TokenBytes } from "../../../src/sampling/grammar/token-trie.ts";

/** Texts and byte lists as a vocabulary; an empty one stands for a special token. */
export function tokenBytesOf(tokens: readonly (string | readonly number[])[]): TokenBytes {
  const parts = tokens.map((token) =>
    typeof token === "string" ? Buffer.from(token) : Buffer.from([...token]),
  );
  const all = Buffer.concat(parts);
  const bytes = new SharedArrayBuffer(all.length);
  new Uint8Array(bytes).set(all);
  const starts = new SharedArrayBuffer(4 * (parts.length + 1));
  const view = new Int32Array(starts);
  parts.forEach((part, index) => {
    view[index + 1] = view[index]! + part.length;
  });
  return { bytes, starts };
}

const BYTES = Array.from({ length: 256 }, (_, byte) => [byte]);
const PIECES = [
  '{"',
  '":',
  '": "',
  '", "',
  '"}',
  "[1",
  "]]",
  "  ",
  "\n  ",
  "true",
  "null",
  "ab",
  "abc",
  "é",
  "中",
  "中文",
  "😀",
  '\\"',
  "\\u",
  "00",
  "12",
  "-",
  "0.5",
  "e+",
  "a",
  "z0",
  "],",
  "foo",
  "fo",
  "name",
  "\\n\\",
];

/** Every byte, pieces that cross the borders of JSON tokens, bytes of characters cut anywhere, one token twice, one special. */
export const VOCABULARY: readonly (string | readonly number[])[] = [
  ...BYTES,
  ...PIECES,
  [0xe4, 0xb8],
  [0xad, 0xe6, 0x96],
  [0x98, 0x80, 0x22],
  "",
];

export const BYTE_ENGINE = () => new GrammarEngine(tokenBytesOf(BYTES), 256);

export function allows(state: GrammarState, tokenId: number): boolean {
  return (state.mask()[tokenId >> 5]! & (1 << (tokenId & 31))) !== 0;
}

/** Whether all of `text` is a match, byte by byte. */
export function matches(grammar: Grammar, text: string, engine = BYTE_ENGINE()): boolean {
  const state = new GrammarState(grammar, engine);
  for (const byte of Buffer.from(text)) {
    if (!allows(state, byte)) return false;
    state.advance(byte);
  }
  return state.isComplete;
}

/** What was written. */
export interface Written {
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** False: cut off, as by max_tokens. */
  readonly isComplete: boolean;
}

/** Draws among the allowed tokens; ends one time in three where it may, and always where it must. */
export function write(grammar: Grammar, engine: GrammarEngine, seed: number, maxTokens = 300): Written {
  const state = new GrammarState(grammar, engine);
  const tokenIds: number[] = [];
  const bytes: number[] = [];
  for (let i = 0; i < maxTokens; i++) {
    const allowed = VOCABULARY.flatMap((_, id) => (allows(state, id) ? [id] : []));
    if (state.isComplete && (allowed.length === 0 || uniformAt(seed, 2 * i) < 0.34)) break;
    const id = allowed[Math.floor(uniformAt(seed, 2 * i + 1) * allowed.length)];
    if (id === undefined) throw new RangeError(`stuck behind ${Buffer.from(bytes).toString()}`);
    state.advance(id);
    tokenIds.push(id);
    bytes.push(...Buffer.from(VOCABULARY[id] as string));
  }
  return { text: Buffer.from(bytes).toString(), tokenIds, isComplete: state.isComplete };
}
