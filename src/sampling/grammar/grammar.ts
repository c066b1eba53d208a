/**
 * A compiled grammar: context-free rules over bytes, as plain data that travels from the edge to the sampler. Whatever a
 * request was written in (JSON schema, regular expression, choice, EBNF) ends here.
 */

/** An expression over bytes. */
export type Expr =
  /** Pairs (first, last) of bytes: one byte of any of the ranges. No pair at all matches nothing. */
  | { readonly kind: "bytes"; readonly ranges: readonly number[] }
  /** These characters, in UTF-8. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "sequence"; readonly items: readonly Expr[] }
  | { readonly kind: "choice"; readonly items: readonly Expr[] }
  /** `max` null is without end. */
  | { readonly kind: "repeat"; readonly item: Expr; readonly min: number; readonly max: number | null }
  /** An index into Grammar.rules; what makes a grammar recursive. */
  | { readonly kind: "rule"; readonly index: number };

/** One rule. */
export interface GrammarRule {
  readonly expr: Expr;
  /** It matches the empty text. */
  readonly isNullable: boolean;
}

/** See the module header. Made by `compileGrammar`, which has checked it: every rule can be completed, none recurs to its left. */
export interface Grammar {
  /** Equal grammars have equal keys; what is worked out for one serves the other. */
  readonly key: string;
  /** The answer is a match of rule 0. */
  readonly rules: readonly GrammarRule[];
}

/** Matches nothing at all. */
export const NEVER: Expr = Object.freeze({ kind: "bytes", ranges: [] });

/** Matches the empty text. */
export const EMPTY: Expr = Object.freeze({ kind: "sequence", items: [] });

export function text(content: string): Expr {
  return { kind: "text", text: content };
}

export function sequence(...items: readonly Expr[]): Expr {
  return items.length === 1 ? items[0]! : { kind: "sequence", items };
}

export function choice(...items: readonly Expr[]): Expr {
  return items.length === 1 ? items[0]! : { kind: "choice", items };
}

/** @param max null is without end */
export function repeat(item: Expr, min: number, max: number | null): Expr {
  return { kind: "repeat", item, min, max };
}

export function optional(item: Expr): Expr {
  return repeat(item, 0, 1);
}
