/**
 * The precompiled character map of a SentencePiece model (nmt_nfkc and its relatives): a Darts-clone double-array trie
 * over UTF-8, whose values point into a list of NUL-terminated replacements. Layout: size of the trie in bytes (uint32,
 * little-endian), the trie, the replacements; normalizer.cc, DecodePrecompiledCharsMap, and darts.h, commonPrefixSearch.
 */
import { TroupeError } from "../../errors/troupe-error.ts";
import { characterLengthAt } from "../prefix-matcher.ts";

/** What replaces the beginning of a text. */
export interface CharsMatch {
  /** Code units that are replaced. */
  readonly length: number;
  readonly replacement: string;
}

/** See the module header. */
export class CharsMap {
  readonly #units: Uint32Array;
  readonly #replacements: Buffer;

  /** @throws TroupeError `invalid_model` when the bytes are no character map */
  constructor(bytes: Buffer, file: string) {
    const trieBytes = bytes.length > 4 ? bytes.readUInt32LE(0) : 0;
    if (trieBytes === 0 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length) {
      const message = `${file} is no usable SentencePiece model: its precompiled_charsmap is damaged. Download it again.`;
      throw new TroupeError("invalid_model", message, { details: { file } });
    }
    this.#units = new Uint32Array(trieBytes / 4);
    for (let i = 0; i < this.#units.length; i++) this.#units[i] = bytes.readUInt32LE(4 + 4 * i);
    this.#replacements = bytes.subarray(4 + trieBytes);
  }

  /** The longest rule for what stands at `at`; null when the character stays as it is. */
  matchAt(text: string, at: number): CharsMatch | null {
    let node = offset(this.#units[0] ?? 0);
    let found: { readonly end: number; readonly value: number } | null = null;
    for (let end = at; end < text.length; ) {
      const length = characterLengthAt(text, end);
      let unit = 0;
      for (const byte of Buffer.from(text.slice(end, end + length), "utf8")) {
        node = (node ^ byte) >>> 0;
        const next = this.#units[node];
        if (next === undefined || (next & 0x800000ff) >>> 0 !== byte) return this.#matchOf(found, at);
        unit = next;
        node = (node ^ offset(unit)) >>> 0;
      }
      end += length;
      const hasLeaf = (unit & 0x100) !== 0;
      if (hasLeaf) found = { end, value: (this.#units[node] ?? 0) & 0x7fffffff };
    }
    return this.#matchOf(found, at);
  }

  #matchOf(found: { readonly end: number; readonly value: number } | null, at: number): CharsMatch | null {
    if (found === null) return null;
    const end = this.#replacements.indexOf(0, found.value);
    const replacement = this.#replacements.toString("utf8", found.value, end === -1 ? undefined : end);
    return { length: found.end - at, replacement };
  }
}

/** darts.h, DoubleArrayUnit::offset. */
function offset(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}
