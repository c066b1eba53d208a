/**
 * Which tokens a grammar allows next. A token is allowed when the grammar can go on with its bytes and be completed
 * behind them.
 *
 * Inside a loop (the characters of a JSON string, say) nearly every token stays in the loop, whatever comes after it. So
 * for a sequence that begins with a loop, the walk through the loop is done once for all sequences that begin with it;
 * only where a token leaves the loop is it followed into the rest. (The split into context-independent and
 * context-dependent tokens of Dong et al., "XGrammar", 2024.)
 */
import type { GrammarNode, NodeStore } from "./node-store.ts";
import type { TokenTrie } from "./token-trie.ts";

/** One bit for each token: word t >> 5, bit t & 31. */
export type TokenMask = Int32Array;

/** A walk from one node: tokens that the node allows, and the trie nodes where it may have ended. */
interface Walk {
  readonly mask: TokenMask;
  readonly exits: readonly number[];
}

const UNKNOWN: readonly undefined[] = Object.freeze(new Array<undefined>(256).fill(undefined));

/** Memory for masks before all are forgotten. */
const MAX_MASK_BYTES = 32 * 2 ** 20;

/** Masks of the nodes of one store. */
export class TokenMasks {
  readonly #store: NodeStore;
  readonly #trie: TokenTrie;
  readonly #numWords: number;
  /** The states on the way to a trie node, by depth, and the tables of their next ones. */
  readonly #path: GrammarNode[];
  readonly #tables: (readonly (GrammarNode | undefined)[])[];
  #masks = new Map<GrammarNode, TokenMask>();
  #loops = new Map<GrammarNode, Walk>();

  /** @param vocabSize columns of the logits; tokens at or above it do not exist */
  constructor(store: NodeStore, trie: TokenTrie, vocabSize: number) {
    this.#store = store;
    this.#trie = trie;
    this.#numWords = (vocabSize + 31) >> 5;
    this.#path = new Array<GrammarNode>(trie.maxBytes + 1).fill(store.never);
    this.#tables = new Array<readonly undefined[]>(trie.maxBytes + 1).fill(UNKNOWN);
  }

  /**
   * Tokens with which the grammar can go on from `node`. To be read only.
   *
   * @throws TroupeError `invalid_request` when the grammar is too complex
   */
  maskOf(node: GrammarNode): TokenMask {
    const known = this.#masks.get(node);
    if (known !== undefined) return known;
    this.#store.allow();
    const mask = this.#compute(node);
    this.#makeRoom();
    this.#masks.set(node, mask);
    return mask;
  }

  #compute(node: GrammarNode): TokenMask {
    if (node.kind !== "sequence" || node.head.kind !== "repeat") return this.#walkAll(node).mask;
    const loop = this.#loopOf(node.head);
    const mask = loop.mask.slice();
    for (const exit of loop.exits) this.#walk(exit, node.tail, mask, null);
    return mask;
  }

  #loopOf(loop: GrammarNode & { kind: "repeat" }): Walk {
    // A token takes at most as many turns as it has bytes: counts beyond that make no difference to it.
    const turns = this.#trie.maxBytes;
    const max = loop.max > turns ? Number.POSITIVE_INFINITY : loop.max;
    const same = this.#store.repeat(loop.item, Math.min(loop.min, turns + 1), max);
    const known = this.#loops.get(same);
    if (known !== undefined) return known;
    const walk = this.#walkAll(same);
    this.#makeRoom();
    this.#loops.set(same, walk);
    return walk;
  }

  #walkAll(node: GrammarNode): Walk {
    const mask = new Int32Array(this.#numWords);
    const exits: number[] = [];
    this.#walk(0, node, mask, exits);
    return { mask, exits };
  }

  /** Sets the bits of the tokens from trie node `from` on, where the grammar stands at `start`. The hottest loop here. */
  #walk(from: number, start: GrammarNode, mask: TokenMask, exits: number[] | null): void {
    const { bytes, depths, ends, tokenStarts, tokenIds } = this.#trie;
    const store = this.#store;
    const { never } = store;
    const path = this.#path;
    const tables = this.#tables;
    const end = ends[from]!;
    path[depths[from]!] = start;
    tables[depths[from]!] = start.next ?? UNKNOWN;
    if (exits !== null && start.isNullable) exits.push(from);
    for (let i = tokenStarts[from]!; i < tokenStarts[from + 1]!; i++) allow(mask, tokenIds[i]!);
    for (let node = from + 1; node < end; ) {
      const depth = depths[node]!;
      const byte = bytes[node]!;
      const before = path[depth - 1]!;
      const state = tables[depth - 1]![byte] ?? store.step(before, byte);
      if (state === never) {
        node = ends[node]!;
        continue;
      }
      path[depth] = state;
      tables[depth] = state.next ?? UNKNOWN;
      if (exits !== null && state.isNullable) exits.push(node);
      const last = tokenStarts[node + 1]!;
      for (let i = tokenStarts[node]!; i < last; i++) allow(mask, tokenIds[i]!);
      node++;
    }
  }

  #makeRoom(): void {
    const numBytes = (this.#masks.size + this.#loops.size + 1) * this.#numWords * 4;
    if (numBytes <= MAX_MASK_BYTES) return;
    this.#masks = new Map();
    this.#loops = new Map();
  }
}

/** A token of an id beyond the logits falls outside the mask, and is dropped. */
function allow(mask: TokenMask, tokenId: number): void {
  mask[tokenId >> 5]! |= 1 << (tokenId & 31);
}
