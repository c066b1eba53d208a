/**
 * The grammars of one sampler: turns compiled grammars into nodes, keeps what was worked out for the next request, and
 * follows each sequence. What a sequence's state is follows from its grammar and its tokens alone.
 */
import { invariant } from "../../errors/troupe-error.ts";
import type { Expr, Grammar } from "./grammar.ts";
import { type GrammarNode, NodeStore } from "./node-store.ts";
import { type TokenMask, TokenMasks } from "./token-masks.ts";
import { type TokenBytes, TokenTrie } from "./token-trie.ts";

/** Memory that has grown beyond this is left behind: every sequence goes on in a new one. */
const MAX_SIZE = 300_000;
const MAX_GRAMMARS = 1000;

/** Nodes and masks that know each other, and the grammars that were made of them. */
interface Memory {
  readonly store: NodeStore;
  readonly masks: TokenMasks;
  readonly starts: Map<string, GrammarNode>;
}

/** See the module header. */
export class GrammarEngine {
  readonly trie: TokenTrie;
  readonly #vocabSize: number;
  #memory: Memory | null = null;

  /** @param vocabSize columns of the logits */
  constructor(tokens: TokenBytes, vocabSize: number) {
    this.trie = new TokenTrie(tokens);
    this.#vocabSize = vocabSize;
  }

  /** The memory to work in now. */
  get memory(): Memory {
    const current = this.#memory;
    if (current !== null && current.store.size <= MAX_SIZE && current.starts.size <= MAX_GRAMMARS)
      return current;
    const store = new NodeStore();
    const masks = new TokenMasks(store, this.trie, this.#vocabSize);
    this.#memory = { store, masks, starts: new Map() };
    return this.#memory;
  }
}

/** How far one sequence has come in its grammar. */
export class GrammarState {
  readonly #grammar: Grammar;
  readonly #engine: GrammarEngine;
  readonly #tokenIds: number[] = [];
  #memory: Memory;
  #node: GrammarNode;
  /** Why it cannot be followed any further. */
  #failure: unknown = null;

  constructor(grammar: Grammar, engine: GrammarEngine) {
    this.#grammar = grammar;
    this.#engine = engine;
    this.#memory = engine.memory;
    this.#node = startOf(grammar, this.#memory);
  }

  /** The text so far is a whole match: it may end here. */
  get isComplete(): boolean {
    return this.#node.isNullable;
  }

  /**
   * Tokens that may come next, end tokens apart. To be read only.
   *
   * @throws TroupeError `invalid_request` when the grammar is too complex to be followed
   */
  mask(): TokenMask {
    if (this.#failure !== null) throw this.#failure;
    this.#moveOn();
    return this.#memory.masks.maskOf(this.#node);
  }

  /** Takes a token in; one without bytes changes nothing. A grammar that is too complex is told by the next `mask()`. */
  advance(tokenId: number): void {
    this.#tokenIds.push(tokenId);
    try {
      this.#follow(tokenId);
    } catch (error) {
      this.#failure = error;
    }
    invariant(this.#node.kind !== "never", `token ${tokenId} is not in the grammar of its sequence`);
  }

  #follow(tokenId: number): void {
    const { store } = this.#memory;
    store.allow();
    for (const byte of this.#engine.trie.bytesOf(tokenId)) this.#node = store.step(this.#node, byte);
  }

  #moveOn(): void {
    const { memory } = this.#engine;
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#node = startOf(this.#grammar, memory);
    for (const id of this.#tokenIds) this.#follow(id);
  }
}

function startOf(grammar: Grammar, memory: Memory): GrammarNode {
  let start = memory.starts.get(grammar.key);
  if (start === undefined) {
    memory.store.allow();
    start = instantiate(grammar, memory);
    memory.starts.set(grammar.key, start);
  }
  return start;
}

function instantiate({ rules }: Grammar, { store, starts }: Memory): GrammarNode {
  const number = starts.size;
  const bodies = new Map<number, GrammarNode>();
  const ruleNode = (index: number): GrammarNode => {
    const rule = rules[index]!;
    return store.rule(`${number}.${index}`, rule.isNullable, () => {
      let body = bodies.get(index);
      if (body === undefined) {
        body = build(rule.expr);
        bodies.set(index, body);
      }
      return body;
    });
  };
  const build = (expr: Expr): GrammarNode => {
    switch (expr.kind) {
      case "bytes":
        return store.bytes(expr.ranges);
      case "text":
        return row(Array.from(Buffer.from(expr.text, "utf8"), (byte) => store.bytes([byte, byte])));
      case "sequence":
        return row(expr.items.map(build));
      case "choice":
        return store.choice(expr.items.map(build));
      case "repeat":
        return store.repeat(build(expr.item), expr.min, expr.max ?? Number.POSITIVE_INFINITY);
      case "rule":
        return ruleNode(expr.index);
    }
  };
  const row = (nodes: readonly GrammarNode[]): GrammarNode =>
    nodes.reduceRight((tail, head) => store.sequence(head, tail), store.empty);
  return ruleNode(0);
}
