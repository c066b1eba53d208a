/**
 * Free text in which a mark has a meaning: whatever stands behind it must be of a form. The rules are the states of the
 * automaton that looks for the mark (Knuth, Morris and Pratt), so every text has exactly one way through them.
 */
import { choice, EMPTY, type Expr, optional, repeat, sequence } from "./grammar.ts";
import type { RuleSet } from "./rule-set.ts";

/**
 * Any bytes; each time `mark` has been written, `marked` follows, and then free text again. The text may end anywhere but
 * inside `marked`.
 *
 * @param name of the rules, unique in their set
 * @param mark not empty
 */
export function textWithMarked(rules: RuleSet, name: string, mark: string, marked: Expr): Expr {
  const bytes = [...new TextEncoder().encode(mark)];
  const state = (numSeen: number): Expr => rules.reference(`${name} ${numSeen}`);
  const behind = (numSeen: number): Expr =>
    numSeen === bytes.length ? sequence(marked, state(0)) : state(numSeen);
  for (const numSeen of bytes.keys()) {
    const steps = [...new Set(bytes)].map((byte) => ({ byte, next: numSeenWith(bytes, numSeen, byte) }));
    const onward = steps.filter(({ next }) => next > 0);
    const others = bytesExcept(onward.map(({ byte }) => byte));
    const seen = onward.map(({ byte, next }) => sequence(bytesOf(byte, byte), behind(next)));
    // a loop in the state where most of the text is: its tokens are looked at once
    const rest = numSeen === 0 ? choice(...seen) : choice(sequence(others, state(0)), ...seen);
    rules.define(
      `${name} ${numSeen}`,
      sequence(numSeen === 0 ? repeat(others, 0, null) : EMPTY, optional(rest)),
    );
  }
  return state(0);
}

/** How much of the mark has been seen when `byte` follows its first `numSeen` bytes. */
function numSeenWith(mark: readonly number[], numSeen: number, byte: number): number {
  const tail = [...mark.slice(0, numSeen), byte];
  for (let num = tail.length; num > 0; num--)
    if (mark.slice(0, num).every((each, place) => each === tail[tail.length - num + place])) return num;
  return 0;
}

function bytesOf(...ranges: readonly number[]): Expr {
  return { kind: "bytes", ranges };
}

function bytesExcept(excluded: readonly number[]): Expr {
  const ranges: number[] = [];
  let first = 0;
  for (const byte of [...excluded.toSorted((a, b) => a - b), 256]) {
    if (first < byte) ranges.push(first, byte - 1);
    first = byte + 1;
  }
  return bytesOf(...ranges);
}
