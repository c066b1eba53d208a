/**
 * The bytes of all tokens as a tree in which tokens with a common beginning share it, so that a grammar follows each
 * beginning once. Laid out flat, in depth-first order: the nodes below node n are n + 1 up to ends[n].
 */

/** What each token adds to the text; tokens without bytes (special ones) are in no text. */
export interface TokenBytes {
  /** Bytes of all tokens, one behind the other. Shared memory. */
  readonly bytes: SharedArrayBuffer;
  /** Token t has bytes starts[t] up to starts[t + 1]; 32-bit integers in shared memory. [numTokens + 1] */
  readonly starts: SharedArrayBuffer;
}

/** See the module header. Node 0 is the root: no bytes yet. */
export class TokenTrie {
  /** The byte that leads to each node. [numNodes] */
  readonly bytes: Uint8Array;
  /** How many bytes lead to it. [numNodes] */
  readonly depths: Uint16Array;
  /** One past its last descendant. [numNodes] */
  readonly ends: Int32Array;
  /** Node n stands for tokens tokenIds[tokenStarts[n]] up to tokenStarts[n + 1]. [numNodes + 1] */
  readonly tokenStarts: Int32Array;
  readonly tokenIds: Int32Array;
  /** Bytes of the longest token. */
  readonly maxBytes: number;
  readonly #vocabulary: Buffer;
  readonly #starts: Int32Array;

  constructor(tokens: TokenBytes) {
    this.#vocabulary = Buffer.from(tokens.bytes);
    this.#starts = new Int32Array(tokens.starts);
    const sorted = this.#sortedTokens();
    this.tokenIds = sorted;
    this.maxBytes = sorted.reduce((max, id) => Math.max(max, this.#length(id)), 0);
    const numNodes = this.#countNodes(sorted);
    this.bytes = new Uint8Array(numNodes);
    this.depths = new Uint16Array(numNodes);
    this.ends = new Int32Array(numNodes);
    this.tokenStarts = new Int32Array(numNodes + 1);
    this.#build(sorted);
  }

  get numNodes(): number {
    return this.bytes.length;
  }

  /** What a token adds to the text; nothing for one that is unknown. */
  bytesOf(tokenId: number): Uint8Array {
    const start = this.#starts[tokenId] ?? 0;
    return this.#vocabulary.subarray(start, this.#starts[tokenId + 1] ?? start);
  }

  /** Tokens that have bytes, by these, then by id. */
  #sortedTokens(): Int32Array {
    const ids: number[] = [];
    for (let id = 0; id + 1 < this.#starts.length; id++) if (this.#length(id) > 0) ids.push(id);
    const { bytes } = { bytes: this.#vocabulary };
    const starts = this.#starts;
    ids.sort((a, b) => bytes.compare(bytes, starts[b]!, starts[b + 1]!, starts[a]!, starts[a + 1]!) || a - b);
    return Int32Array.from(ids);
  }

  #countNodes(sorted: Int32Array): number {
    let count = 1;
    for (let i = 0; i < sorted.length; i++) count += this.#length(sorted[i]!) - this.#shared(sorted, i);
    return count;
  }

  #build(sorted: Int32Array): void {
    const path = [0]; // the node at each depth, on the way to the last token
    let node = 0;
    for (let i = 0; i < sorted.length; i++) {
      const id = sorted[i]!;
      const bytes = this.bytesOf(id);
      for (let depth = this.#shared(sorted, i); depth < bytes.length; depth++) {
        for (const closed of path.splice(depth + 1)) this.ends[closed] = node + 1;
        node++;
        this.bytes[node] = bytes[depth]!;
        this.depths[node] = depth + 1;
        this.tokenStarts[node] = i;
        path.push(node);
      }
      // Tokens of the same bytes follow each other and share the node.
      this.tokenStarts[node + 1] = i + 1;
    }
    for (const open of path) this.ends[open] = node + 1;
  }

  /** How many leading bytes a token has in common with the one before it. */
  #shared(sorted: Int32Array, index: number): number {
    if (index === 0) return 0;
    const a = this.bytesOf(sorted[index - 1]!);
    const b = this.bytesOf(sorted[index]!);
    let length = 0;
    while (length < a.length && length < b.length && a[length] === b[length]) length++;
    return length;
  }

  #length(id: number): number {
    return this.#starts[id + 1]! - this.#starts[id]!;
  }
}
