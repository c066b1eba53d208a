/**
 * Checks the rules of a grammar before anything follows them: a rule that recurs to its left would be followed for ever,
 * and one that can never be completed would lead an answer where it cannot end.
 */
import { EMPTY, type Expr, type GrammarRule, NEVER } from "./grammar.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import type { RuleSet } from "./rule-set.ts";

/** Characters and operators of a whole grammar. */
const MAX_SIZE = 200_000;

/**
 * The rules with what can never be completed cut away.
 *
 * @throws TroupeError `invalid_request` when nothing is left, a rule recurs to its left, or there is too much of it
 */
export function checkRules(rules: RuleSet, param: string): GrammarRule[] {
  const { exprs, names } = rules;
  if (countExprs(exprs, MAX_SIZE) > MAX_SIZE)
    refuseGrammar(param, `the grammar is too large: it has more than ${MAX_SIZE} characters and operators.`);
  const complete = completeRules(exprs);
  if (complete === null) refuseGrammar(param, "no finite text matches it.");
  const recursive = leftRecursion(complete);
  if (recursive !== null)
    refuseGrammar(
      param,
      `"${names[recursive]?.trim()}" refers to itself before anything else has matched. Put something ahead of it.`,
    );
  return complete;
}

/** Null when nothing is left of rule 0. */
function completeRules(exprs: readonly Expr[]): GrammarRule[] | null {
  const isProductive = fixpoint(exprs, (expr, known) => canEnd(expr, known));
  const pruned = exprs.map((expr, index) => (isProductive[index] ? prune(expr, isProductive) : NEVER));
  if (!isProductive[0]) return null;
  const isNullable = fixpoint(pruned, (expr, known) => matchesEmpty(expr, known));
  return pruned.map((expr, index) => ({ expr, isNullable: isNullable[index]! }));
}

/** The first rule that recurs to its left; null when none does. */
function leftRecursion(rules: readonly GrammarRule[]): number | null {
  const isNullable = rules.map((rule) => rule.isNullable);
  const first = rules.map(({ expr }) => [...new Set(firstRules(expr, isNullable))]);
  const state = new Uint8Array(rules.length); // 0 new, 1 on the way, 2 done
  for (let root = 0; root < rules.length; root++) {
    const stack: { rule: number; next: number }[] = state[root] === 0 ? [{ rule: root, next: 0 }] : [];
    if (stack.length > 0) state[root] = 1;
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const callee = first[top.rule]![top.next++];
      if (callee === undefined) {
        state[top.rule] = 2;
        stack.pop();
      } else if (state[callee] === 1) return callee;
      else if (state[callee] === 0) {
        state[callee] = 1;
        stack.push({ rule: callee, next: 0 });
      }
    }
  }
  return null;
}

/** Expressions in all rules, inner ones included; more than `limit` are not counted. */
function countExprs(exprs: readonly Expr[], limit: number): number {
  const stack = [...exprs];
  let count = 0;
  while (stack.length > 0 && count <= limit) {
    const expr = stack.pop()!;
    count += expr.kind === "text" ? 1 + expr.text.length : 1;
    if (expr.kind === "repeat") stack.push(expr.item);
    if (expr.kind === "sequence" || expr.kind === "choice") for (const item of expr.items) stack.push(item);
  }
  return count;
}

type Known = readonly boolean[];

function fixpoint(exprs: readonly Expr[], holds: (expr: Expr, known: Known) => boolean): boolean[] {
  const known = exprs.map(() => false);
  for (let hasChanged = true; hasChanged; ) {
    hasChanged = false;
    // From the end: rules refer mostly to those that were named after them.
    for (let index = exprs.length - 1; index >= 0; index--) {
      if (known[index] || !holds(exprs[index]!, known)) continue;
      known[index] = true;
      hasChanged = true;
    }
  }
  return known;
}

function canEnd(expr: Expr, known: Known): boolean {
  switch (expr.kind) {
    case "bytes":
      return expr.ranges.length > 0;
    case "text":
      return true;
    case "sequence":
      return expr.items.every((item) => canEnd(item, known));
    case "choice":
      return expr.items.some((item) => canEnd(item, known));
    case "repeat":
      return expr.min === 0 || canEnd(expr.item, known);
    case "rule":
      return known[expr.index]!;
  }
}

function matchesEmpty(expr: Expr, known: Known): boolean {
  switch (expr.kind) {
    case "bytes":
      return false;
    case "text":
      return expr.text === "";
    case "sequence":
      return expr.items.every((item) => matchesEmpty(item, known));
    case "choice":
      return expr.items.some((item) => matchesEmpty(item, known));
    case "repeat":
      return expr.min === 0 || matchesEmpty(expr.item, known);
    case "rule":
      return known[expr.index]!;
  }
}

function prune(expr: Expr, isProductive: Known): Expr {
  if (!canEnd(expr, isProductive)) return NEVER;
  switch (expr.kind) {
    case "sequence":
      return { ...expr, items: expr.items.map((item) => prune(item, isProductive)) };
    case "choice":
      return {
        ...expr,
        items: expr.items
          .filter((item) => canEnd(item, isProductive))
          .map((item) => prune(item, isProductive)),
      };
    case "repeat":
      return canEnd(expr.item, isProductive) ? { ...expr, item: prune(expr.item, isProductive) } : EMPTY;
    default:
      return expr;
  }
}

/** Rules that may be entered before a byte has matched. */
function firstRules(expr: Expr, isNullable: Known): number[] {
  switch (expr.kind) {
    case "bytes":
    case "text":
      return [];
    case "rule":
      return [expr.index];
    case "choice":
      return expr.items.flatMap((item) => firstRules(item, isNullable));
    case "repeat":
      return firstRules(expr.item, isNullable);
    case "sequence": {
      const end = expr.items.findIndex((item) => !matchesEmpty(item, isNullable));
      const reachable = end < 0 ? expr.items : expr.items.slice(0, end + 1);
      return reachable.flatMap((item) => firstRules(item, isNullable));
    }
  }
}
