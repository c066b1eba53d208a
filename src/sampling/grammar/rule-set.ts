/** Rules while a grammar is being written: named, so that they can be referred to before they are defined. */
import { type Expr, NEVER } from "./grammar.ts";

/** Rule 0 is the first one named. */
export class RuleSet {
  readonly #indices = new Map<string, number>();
  readonly #exprs: (Expr | null)[] = [];

  /** The rule of that name, defined or not. */
  reference(name: string): Expr {
    return { kind: "rule", index: this.#indexOf(name) };
  }

  /** A reference to the rule; written by `write` the first time it is asked for. */
  once(name: string, write: () => Expr): Expr {
    const isKnown = this.#indices.has(name);
    const reference = this.reference(name);
    if (!isKnown) this.define(name, write());
    return reference;
  }

  /** @returns false when the rule was defined before; nothing has changed then */
  define(name: string, expr: Expr): boolean {
    const index = this.#indexOf(name);
    if (this.#exprs[index] !== null) return false;
    this.#exprs[index] = expr;
    return true;
  }

  /** Names that are referred to and not defined. */
  get undefinedNames(): string[] {
    return [...this.#indices].filter(([, index]) => this.#exprs[index] === null).map(([name]) => name);
  }

  /** Rule names, in the order of `exprs`. */
  get names(): readonly string[] {
    return [...this.#indices.keys()];
  }

  get exprs(): readonly Expr[] {
    return this.#exprs.map((expr) => expr ?? NEVER);
  }

  #indexOf(name: string): number {
    const known = this.#indices.get(name);
    if (known !== undefined) return known;
    const index = this.#exprs.length;
    this.#indices.set(name, index);
    this.#exprs.push(null);
    return index;
  }
}
