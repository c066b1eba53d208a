/** Finds which of many fixed strings stands at a place of a text, the longest first. */

/**
 * See the module header.
 *
 * @example
 * ```ts
 * new PrefixMatcher(["<s>", "<s><s>"]).lengthAt("a<s><s>", 1); // 6
 * ```
 */
export class PrefixMatcher {
  /** By first code unit: the strings, and their lengths from the longest on. */
  readonly #buckets = new Map<number, { readonly strings: Set<string>; lengths: readonly number[] }>();

  constructor(strings: Iterable<string>) {
    for (const text of strings) {
      if (text === "") continue;
      const first = text.charCodeAt(0);
      const bucket = this.#buckets.get(first) ?? { strings: new Set<string>(), lengths: [] };
      bucket.strings.add(text);
      this.#buckets.set(first, bucket);
    }
    for (const bucket of this.#buckets.values()) {
      const lengths = new Set(Array.from(bucket.strings, (text) => text.length));
      bucket.lengths = [...lengths].sort((a, b) => b - a);
    }
  }

  get isEmpty(): boolean {
    return this.#buckets.size === 0;
  }

  /** Length in code units of the longest string that stands at `at`; 0 when none does. */
  lengthAt(text: string, at: number): number {
    const bucket = this.#buckets.get(text.charCodeAt(at));
    if (bucket === undefined) return 0;
    return bucket.lengths.find((length) => bucket.strings.has(text.slice(at, at + length))) ?? 0;
  }
}

/** Length in code units of the character at `at`. */
export function characterLengthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}
