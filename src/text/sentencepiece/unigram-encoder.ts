/**
 * The most probable way to cut a text into pieces (Viterbi). Scores are added in single precision and compared in the
 * order in which SentencePiece does, so that near ties come out the same. unigram_model.cc, Model::EncodeOptimized.
 */
import { characterLengthAt } from "../prefix-matcher.ts";
import type { Piece } from "./model-proto.ts";
import type { EncodedPiece, PieceEncoder } from "./piece-encoder.ts";

/** kUnkPenalty. */
const UNKNOWN_PENALTY = 10;
const FLT_MIN = 1.1754943508222875e-38;
const FLT_MAX = 3.4028234663852886e38;

/** @param ids pieces that text can become, by their text. */
export function unigramEncoder(pieces: readonly Piece[], ids: ReadonlyMap<string, number>): PieceEncoder {
  const normal = pieces.filter(({ kind }) => kind === "normal");
  const minScore = normal.reduce((min, { score }) => Math.min(min, score), FLT_MAX);
  const maxScore = normal.reduce((max, { score }) => Math.max(max, score), FLT_MIN);
  const unknownScore = Math.fround(minScore - UNKNOWN_PENALTY);
  const scores = pieces.map(({ text, score, kind }) =>
    kind === "user-defined" ? Math.fround(Buffer.byteLength(text) * maxScore) - 0.1 : score,
  );
  const prefixes = prefixesOf(ids);

  return (text) => {
    const best = new Float32Array(text.length + 1);
    const from = new Int32Array(text.length + 1).fill(-1);
    const chosen = new Int32Array(text.length + 1).fill(-1);
    const offer = (end: number, start: number, id: number, total: number): void => {
      if (from[end] !== -1 && !(total > best[end]!)) return;
      best[end] = total;
      from[end] = start;
      chosen[end] = id;
    };
    for (let start = 0; start < text.length; ) {
      const reached = best[start]!;
      const single = start + characterLengthAt(text, start);
      let hasSingle = false;
      for (let end = start + 1; end <= text.length; end++) {
        const id = prefixes.get(text.slice(start, end));
        if (id === undefined) break;
        if (id === -1 || pieces[id]!.kind === "unused") continue;
        offer(end, start, id, scores[id]! + reached);
        hasSingle ||= end === single;
      }
      if (!hasSingle) offer(single, start, -1, Math.fround(unknownScore + reached));
      start = single;
    }
    return backtrack(text, from, chosen);
  };
}

/** Every beginning of a piece, with the piece's id where it is one and -1 where it is not. */
function prefixesOf(ids: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const prefixes = new Map<string, number>(ids);
  for (const text of ids.keys()) {
    for (let end = text.length - 1; end > 0; end--) {
      const prefix = text.slice(0, end);
      if (prefixes.has(prefix)) break;
      prefixes.set(prefix, -1);
    }
  }
  return prefixes;
}

function backtrack(text: string, from: Int32Array, chosen: Int32Array): EncodedPiece[] {
  const path: EncodedPiece[] = [];
  for (let end = text.length; end > 0; ) {
    const start = from[end]!;
    const id = chosen[end]!;
    path.push({ text: text.slice(start, end), id: id === -1 ? null : id });
    end = start;
  }
  return path.reverse();
}
