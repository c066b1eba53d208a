/**
 * What is left of a grammar after some bytes, as a node: an expression whose next bytes are known. The node after one
 * more byte is its derivative (Brzozowski, "Derivatives of regular expressions", 1964; for rules: Might, Darais, Spiewak,
 * "Parsing with derivatives", 2011). Equal nodes are one object, so the nodes met on the way are the states of an
 * automaton that is built as far as it is needed; the items of a sequence are its stack.
 */
import { TroupeError } from "../../errors/troupe-error.ts";

/** A state. `next` and `mask` are memory of what was asked before. */
export type GrammarNode = NodeBase &
  (
    | { readonly kind: "bytes"; readonly ranges: readonly number[] }
    | { readonly kind: "sequence"; readonly head: GrammarNode; readonly tail: GrammarNode }
    | { readonly kind: "choice"; readonly items: readonly GrammarNode[] }
    | { readonly kind: "repeat"; readonly item: GrammarNode; readonly min: number; readonly max: number }
    | { readonly kind: "rule"; readonly body: () => GrammarNode }
    | { readonly kind: "empty" | "never" }
  );

interface NodeBase {
  readonly id: number;
  /** It matches the empty text: the answer may end here. */
  readonly isNullable: boolean;
  /** The node after each byte, where known. [256] */
  next: (GrammarNode | undefined)[] | null;
}

type NodeShape = GrammarNode extends infer Node
  ? Node extends GrammarNode
    ? Omit<Node, "id" | "next">
    : never
  : never;

/** A grammar that can be read in more ways at once than this is refused rather than followed. */
const MAX_READINGS = 1024;
/** What one mask may cost; see NodeStore.allow. */
const MAX_COST = 100_000;
/** Tables of next nodes kept before all are forgotten: 2 KiB each. */
const MAX_TABLES = 16_384;

/** All nodes that were ever made, each once. */
export class NodeStore {
  readonly empty: GrammarNode;
  readonly never: GrammarNode;
  readonly #nodes = new Map<string, GrammarNode>();
  #tabled: GrammarNode[] = [];
  #numNodes = 0;
  #size = 0;
  #maxSize = MAX_COST;

  constructor() {
    this.empty = this.#node("empty", { kind: "empty", isNullable: true });
    this.never = this.#node("never", { kind: "never", isNullable: false });
  }

  /** Nodes and alternatives in them. */
  get size(): number {
    return this.#size;
  }

  /** From here on the store may grow by a certain amount; then it throws, so that no grammar takes all memory or time. */
  allow(): void {
    this.#maxSize = this.#size + MAX_COST;
  }

  bytes(ranges: readonly number[]): GrammarNode {
    if (ranges.length === 0) return this.never;
    return this.#node(`b${ranges.join()}`, { kind: "bytes", ranges, isNullable: false });
  }

  /** @param key unique among rules of all grammars in the store */
  rule(key: string, isNullable: boolean, body: () => GrammarNode): GrammarNode {
    return this.#node(`r${key}`, { kind: "rule", body, isNullable });
  }

  /** Sequences nest to the right only, so that equal ones are equal nodes. */
  sequence(head: GrammarNode, tail: GrammarNode): GrammarNode {
    if (head === this.never || tail === this.never) return this.never;
    const heads: GrammarNode[] = [];
    let last = head;
    for (; last.kind === "sequence"; last = last.tail) heads.push(last.head);
    if (last !== this.empty) heads.push(last);
    let result = tail;
    for (let i = heads.length - 1; i >= 0; i--) result = this.#pair(heads[i]!, result);
    return result;
  }

  #pair(head: GrammarNode, tail: GrammarNode): GrammarNode {
    if (tail === this.empty) return head;
    const isNullable = head.isNullable && tail.isNullable;
    return this.#node(`s${head.id},${tail.id}`, { kind: "sequence", head, tail, isNullable });
  }

  /** @throws TroupeError `invalid_request` when there are too many alternatives at once, as every method that makes nodes */
  choice(items: readonly GrammarNode[]): GrammarNode {
    const members = new Set<GrammarNode>();
    for (const item of items) {
      if (item.kind === "choice") for (const inner of item.items) members.add(inner);
      else if (item !== this.never) members.add(item);
    }
    if (members.size === 0) return this.never;
    const sorted = [...members].sort((a, b) => a.id - b.id);
    if (sorted.length === 1) return sorted[0]!;
    if (sorted.length > MAX_READINGS) throw tooComplex();
    const isNullable = sorted.some((item) => item.isNullable);
    return this.#node(`c${sorted.map(({ id }) => id).join()}`, { kind: "choice", items: sorted, isNullable });
  }

  /** @param max Infinity is without end */
  repeat(item: GrammarNode, min: number, max: number): GrammarNode {
    if (max === 0 || item === this.empty) return this.empty;
    if (item === this.never) return min === 0 ? this.empty : this.never;
    if (min === 1 && max === 1) return item;
    // Empty matches fill up what is missing.
    const needed = item.isNullable ? 0 : min;
    const shape = { kind: "repeat", item, min: needed, max, isNullable: needed === 0 } as const;
    return this.#node(`*${item.id},${needed},${max}`, shape);
  }

  /** The node after one more byte; `never` when none of the matches goes on with it. */
  step(node: GrammarNode, byte: number): GrammarNode {
    if (node.kind === "bytes") return isIn(node.ranges, byte) ? this.empty : this.never;
    if (node.kind === "empty" || node.kind === "never") return this.never;
    const table = node.next ?? this.#table(node);
    const known = table[byte];
    if (known !== undefined) return known;
    const derived = this.#derive(node, byte);
    table[byte] = derived;
    return derived;
  }

  #derive(node: GrammarNode, byte: number): GrammarNode {
    switch (node.kind) {
      case "sequence":
        return this.#deriveSequence(node, byte);
      case "choice":
        return this.choice(node.items.map((item) => this.step(item, byte)));
      case "repeat": {
        const once = this.step(node.item, byte);
        if (once === this.never) return this.never;
        return this.sequence(once, this.repeat(node.item, Math.max(0, node.min - 1), node.max - 1));
      }
      case "rule":
        return this.step(node.body(), byte);
      default:
        return this.never;
    }
  }

  /** A loop: a long row of optional items must not need a deep stack. */
  #deriveSequence(node: GrammarNode, byte: number): GrammarNode {
    const found: GrammarNode[] = [];
    let rest = node;
    for (; rest.kind === "sequence"; rest = rest.tail) {
      found.push(this.sequence(this.step(rest.head, byte), rest.tail));
      if (!rest.head.isNullable) return this.choice(found);
    }
    found.push(this.step(rest, byte));
    return this.choice(found);
  }

  #table(node: GrammarNode): (GrammarNode | undefined)[] {
    if (this.#tabled.length >= MAX_TABLES) {
      for (const tabled of this.#tabled) tabled.next = null;
      this.#tabled = [];
    }
    this.#tabled.push(node);
    node.next = new Array<GrammarNode | undefined>(256).fill(undefined);
    return node.next;
  }

  #node(key: string, shape: NodeShape): GrammarNode {
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    this.#size += shape.kind === "choice" ? shape.items.length : 1;
    if (this.#size > this.#maxSize) throw tooComplex();
    // The fields that the walk over the vocabulary reads come first, so that they lie at the same place in every node.
    const node: GrammarNode = { next: null, id: this.#numNodes++, ...shape };
    this.#nodes.set(key, node);
    return node;
  }
}

function isIn(ranges: readonly number[], byte: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) if (byte >= ranges[i]! && byte <= ranges[i + 1]!) return true;
  return false;
}

function tooComplex(): TroupeError {
  return new TroupeError(
    "invalid_request",
    `The grammar is too complex: its text so far can be read in too many ways (limit: ${MAX_READINGS} at once, ${MAX_COST} for one token). Simplify it.`,
  );
}
