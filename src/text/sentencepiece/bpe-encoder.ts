/**
 * Byte-pair encoding as SentencePiece does it: whichever neighbours make the piece of the best score are merged first,
 * over the whole text, however the pair was made in training. bpe_model.cc, Model::SampleEncode.
 */
import { characterLengthAt, type PrefixMatcher } from "../prefix-matcher.ts";
import { MergeQueue } from "./merge-queue.ts";
import type { Piece } from "./model-proto.ts";
import type { EncodedPiece, PieceEncoder } from "./piece-encoder.ts";

/** A character, or what became of it; a symbol of length 0 was merged into its left neighbour. */
interface Symbol {
  readonly start: number;
  length: number;
  prev: number;
  next: number;
  readonly isFrozen: boolean;
}

/**
 * @param ids pieces that symbols can be merged into, by their text.
 * @param reserved the other pieces; one character can be one of them.
 * @param userDefined strings that are one piece and are never merged further.
 */
export function bpeEncoder(
  pieces: readonly Piece[],
  ids: ReadonlyMap<string, number>,
  reserved: ReadonlyMap<string, number>,
  userDefined: PrefixMatcher,
): PieceEncoder {
  const idOf = (piece: string): number | null => reserved.get(piece) ?? ids.get(piece) ?? null;
  return (text) => {
    const symbols = splitCharacters(text, userDefined);
    const origins = new Map<string, readonly [string, string]>();
    const queue = new MergeQueue();
    const consider = (left: number, right: number): void => {
      const a = symbols[left];
      const b = symbols[right];
      if (a === undefined || b === undefined || a.isFrozen || b.isFrozen) return;
      const piece = text.slice(a.start, b.start + b.length);
      const id = ids.get(piece);
      if (id === undefined) return;
      const { score, kind } = pieces[id]!;
      queue.push({ left, right, score, length: piece.length });
      if (kind === "unused")
        origins.set(piece, [text.slice(a.start, b.start), text.slice(b.start, b.start + b.length)]);
    };
    for (let i = 1; i < symbols.length; i++) consider(i - 1, i);
    for (let merge = queue.pop(); merge !== undefined; merge = queue.pop()) {
      const a = symbols[merge.left]!;
      const b = symbols[merge.right]!;
      if (a.length === 0 || b.length === 0 || a.length + b.length !== merge.length) continue;
      a.length += b.length;
      a.next = b.next;
      const after = symbols[b.next];
      if (after !== undefined) after.prev = merge.left;
      b.length = 0;
      consider(a.prev, merge.left);
      consider(merge.left, a.next);
    }
    const merged = symbols
      .filter(({ length }) => length > 0)
      .map((s) => text.slice(s.start, s.start + s.length));
    const split = (piece: string): EncodedPiece[] => {
      const id = idOf(piece);
      // A piece that is only a step of merging gives way to what it was made of.
      const origin = id !== null && pieces[id]!.kind === "unused" ? origins.get(piece) : undefined;
      return origin === undefined ? [{ text: piece, id }] : origin.flatMap(split);
    };
    return merged.flatMap(split);
  };
}

function splitCharacters(text: string, userDefined: PrefixMatcher): Symbol[] {
  const symbols: Symbol[] = [];
  for (let start = 0; start < text.length; ) {
    const frozen = userDefined.lengthAt(text, start);
    const length = frozen > 0 ? frozen : characterLengthAt(text, start);
    const index = symbols.length;
    symbols.push({ start, length, prev: index - 1, next: index + 1, isFrozen: frozen > 0 });
    start += length;
  }
  return symbols;
}
