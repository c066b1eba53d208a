/** The contents of a tiktoken rank file. Tokens are byte sequences, kept as binary strings. */
import { TroupeError } from "../../errors/troupe-error.ts";
import { byteAlphabet } from "../decoders/byte-level.ts";

/** @throws TroupeError `invalid_model` naming file and line */
export function parseRanks(text: string, file: string): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  const seen = new Set<number>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const match = /^([A-Za-z0-9+/]+={0,2}) (\d{1,9})\r?$/.exec(line);
    const bytes = Buffer.from(match?.[1] ?? "", "base64").toString("latin1");
    const rank = Number(match?.[2]);
    if (match === null || bytes === "" || ranks.has(bytes) || seen.has(rank)) {
      const message = `${file}: line ${index + 1} is no new token with its rank. Download the file again.`;
      throw new TroupeError("invalid_model", message, { details: { file, line: index + 1 } });
    }
    ranks.set(bytes, rank);
    seen.add(rank);
  }
  for (let byte = 0; byte < 256; byte++) {
    if (ranks.has(String.fromCharCode(byte))) continue;
    throw new TroupeError(
      "invalid_model",
      `${file} has no token for byte ${byte}. Download the file again.`,
      {
        details: { file, byte },
      },
    );
  }
  return ranks;
}

/** The pair each longer token is merged from: what merging by lower ranks alone leaves of it. In the order of ranks. */
export function mergesOfRanks(ranks: ReadonlyMap<string, number>): readonly (readonly [string, string])[] {
  const ordered = [...ranks].filter(([bytes]) => bytes.length > 1).sort(([, a], [, b]) => a - b);
  return ordered.flatMap(([bytes, rank]) => {
    const [left, right, more] = mergeBelow(bytes, rank, ranks);
    // A token that merging never reaches is found whole, or not at all.
    return left === undefined || right === undefined || more !== undefined ? [] : [[left, right] as const];
  });
}

function mergeBelow(bytes: string, limit: number, ranks: ReadonlyMap<string, number>): readonly string[] {
  const parts = [...bytes];
  for (;;) {
    let best = -1;
    let bestRank = limit;
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = ranks.get(parts[i]! + parts[i + 1]!);
      if (rank !== undefined && rank < bestRank) {
        best = i;
        bestRank = rank;
      }
    }
    if (best === -1) return parts;
    parts.splice(best, 2, parts[best]! + parts[best + 1]!);
  }
}

/** Spells bytes as byte-level vocabularies do. */
export function byteLevelSpeller(): (bytes: string) => string {
  const characters = new Map(Array.from(byteAlphabet(), ([character, byte]) => [byte, character]));
  return (bytes) => Array.from(bytes, (byte) => characters.get(byte) ?? "").join("");
}
