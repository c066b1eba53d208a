/** Forbids what the grammar of a sequence does not allow: the first edit of its row. */
import type { GrammarState } from "./grammar/grammar-engine.ts";

/** The tokens that end the sequence. */
export interface EndTokens {
  readonly endTokenIds: Int32Array;
  /** minTokens are not reached. */
  readonly forbidsEnd: boolean;
}

/**
 * Copies the logits of allowed tokens. End tokens are allowed where the text is a whole match; before minTokens only when
 * nothing else can follow, because the grammar knows better where its text ends.
 *
 * @param row logits of the model [vocabSize]
 * @param target receives the logits, -Infinity for what is forbidden [vocabSize]
 */
export function maskByGrammar(
  row: Float32Array,
  grammar: GrammarState,
  { endTokenIds, forbidsEnd }: EndTokens,
  target: Float32Array,
): void {
  target.fill(Number.NEGATIVE_INFINITY);
  const mask = grammar.mask();
  let isStuck = true;
  for (let word = 0; word < mask.length; word++) {
    for (let bits = mask[word]!; bits !== 0; bits &= bits - 1) {
      const id = (word << 5) + 31 - Math.clz32(bits & -bits);
      if (id >= row.length) continue;
      target[id] = row[id]!;
      if (isStuck && !endTokenIds.includes(id)) isStuck = false;
    }
  }
  const mayEnd = grammar.isComplete && (!forbidsEnd || isStuck);
  for (const id of endTokenIds) target[id] = mayEnd ? row[id]! : Number.NEGATIVE_INFINITY;
}
