import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileGrammar } from "../../../src/sampling/grammar/compile-grammar.ts";
import type { Grammar } from "../../../src/sampling/grammar/grammar.ts";
import { GrammarEngine, GrammarState } from "../../../src/sampling/grammar/grammar-engine.ts";
import type { GrammarSpec } from "../../../src/sampling/grammar/grammar-spec.ts";
import { allows, BYTE_ENGINE, tokenBytesOf, VOCABULARY, write } from "./writing.ts";

const param = "test";
const GRAMMARS: readonly GrammarSpec[] = [
  { kind: "json_object", param },
  { kind: "regex", pattern: "(foo|ba[rz]|中){1,3}.*z?\\d{2,4}", param },
  { kind: "choice", choices: ["a", "ab", "abc", "中文"], param },
  {
    kind: "json_schema",
    param,
    schema: { properties: { name: { minLength: 2, maxLength: 30 } }, additionalProperties: true },
  },
  { kind: "ebnf", param, source: 'root ::= "(" root* ")" | [0-9]+ root | "中" | "-"' },
];

/** By bytes alone: neither the tree of tokens, nor loops, nor masks of other tokens take part. */
function allowedByBytes(state: GrammarState, tokenId: number): boolean {
  const bytes = Buffer.from(VOCABULARY[tokenId] as string);
  return (
    bytes.length > 0 &&
    bytes.every((byte) => {
      const isAllowed = allows(state, byte);
      if (isAllowed) state.advance(byte);
      return isAllowed;
    })
  );
}

/** Where the bytes of these tokens lead. */
function afterBytes(grammar: Grammar, before: readonly number[], engine: GrammarEngine): GrammarState {
  const state = new GrammarState(grammar, engine);
  for (const id of before) for (const byte of Buffer.from(VOCABULARY[id] as string)) state.advance(byte);
  return state;
}

for (const spec of GRAMMARS) {
  test(`a mask holds exactly the tokens whose bytes can follow: ${spec.kind}`, () => {
    const grammar = compileGrammar(spec);
    const engine = new GrammarEngine(tokenBytesOf(VOCABULARY), VOCABULARY.length);
    const byBytes = BYTE_ENGINE();
    for (let seed = 0; seed < 3; seed++) {
      const { tokenIds } = write(grammar, engine, seed, 12);
      for (let length = 0; length <= tokenIds.length; length += 2) {
        const before = tokenIds.slice(0, length);
        const state = new GrammarState(grammar, engine);
        for (const id of before) state.advance(id);
        for (let id = 0; id < VOCABULARY.length; id++)
          assert.equal(
            allows(state, id),
            allowedByBytes(afterBytes(grammar, before, byBytes), id),
            `token ${id} behind ${before}`,
          );
      }
    }
  });
}

test("where a token is allowed, some completion exists: no draw is ever a dead end", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e9 }), fc.constantFrom(...GRAMMARS), (seed, spec) => {
      const engine = new GrammarEngine(tokenBytesOf(VOCABULARY), VOCABULARY.length);
      write(compileGrammar(spec), engine, seed, 60); // throws when it is stuck
    }),
    { numRuns: 60 },
  );
});

test("a state is rebuilt from its tokens", () => {
  const grammar = compileGrammar(GRAMMARS[0]!);
  const engine = new GrammarEngine(tokenBytesOf(VOCABULARY), VOCABULARY.length);
  const { tokenIds } = write(grammar, engine, 5, 40);
  const other = new GrammarEngine(tokenBytesOf(VOCABULARY), VOCABULARY.length);
  const [first, second] = [new GrammarState(grammar, engine), new GrammarState(grammar, other)];
  for (const id of tokenIds) {
    first.advance(id);
    second.advance(id);
  }
  assert.deepEqual(first.mask(), second.mask());
  assert.equal(first.isComplete, second.isComplete);
});

test("a token that the grammar does not allow is a broken promise", () => {
  const state = new GrammarState(compileGrammar({ kind: "choice", choices: ["yes"], param }), BYTE_ENGINE());
  assert.throws(() => state.advance(0x6e), { code: "internal" });
});

test("a grammar that can be read in countless ways is stopped, and the others go on", () => {
  const engine = new GrammarEngine(tokenBytesOf(VOCABULARY), VOCABULARY.length);
  const hard = compileGrammar({ kind: "regex", param, pattern: "(a{0,5000}){0,5000}b" });
  const easy = compileGrammar(GRAMMARS[0]!);
  const state = new GrammarState(hard, engine);
  const other = new GrammarState(easy, engine);
  other.mask();
  assert.throws(
    () => {
      for (let i = 0; i < 400; i++) {
        state.mask();
        state.advance(0x61);
      }
    },
    { code: "invalid_request" },
  );
  other.advance(0x7b);
  assert.ok(allows(other, 0x22));
});
