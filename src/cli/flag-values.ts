/** The flags that were given, by their long spelling. A flag that was not given is absent, so files and defaults show through. */

/** Typed access to what was given. */
export class FlagValues {
  readonly #given: ReadonlyMap<string, unknown>;

  constructor(given: ReadonlyMap<string, unknown>) {
    this.#given = given;
  }

  /** The same with one more; for commands that stand for another one. */
  with(flag: string, value: unknown): FlagValues {
    return new FlagValues(new Map([...this.#given, [flag, value]]));
  }

  /** Whether the flag was given. */
  has(flag: string): boolean {
    return this.#given.has(flag);
  }

  /** A text flag. */
  text(flag: string): string | undefined {
    const value = this.#given.get(flag);
    return typeof value === "string" ? value : undefined;
  }

  /** A number flag. */
  number(flag: string): number | undefined {
    const value = this.#given.get(flag);
    return typeof value === "number" ? value : undefined;
  }

  /** A list flag; every repetition is an entry. */
  list(flag: string): readonly string[] | undefined {
    const value = this.#given.get(flag);
    return Array.isArray(value) ? value.map(String) : undefined;
  }
}
