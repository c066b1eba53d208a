import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileGrammar } from "../../../src/sampling/grammar/compile-grammar.ts";
import { BYTE_ENGINE, matches } from "./writing.ts";

const compile = (pattern: string) => compileGrammar({ kind: "regex", param: "guided_regex", pattern });

const PATTERNS = [
  "a*b+c?",
  "(ab|a)(bc|c)*",
  "[a-c]{2,4}|x{3}",
  "[^ab]*",
  "\\d{1,3}(\\.\\d{1,3}){2}",
  "(?:a|b){2,}?c",
  "\\w+\\s\\S",
  ".b.",
  "[\\u4e00-\\u9fff]+|é",
  "(?<year>\\d{4})-x",
  "^ab?$|^c",
  "a{0}b",
  "(a?){3}b",
  "[\\]\\-\\\\]+",
  "",
  "\\x41\\u{1F600}|\\t",
];

test("a pattern matches what JavaScript says it matches", () => {
  const engine = BYTE_ENGINE();
  const piece = fc.constantFrom(
    "a",
    "b",
    "c",
    "x",
    "1",
    "23",
    ".",
    " ",
    "-",
    "中",
    "é",
    "]",
    "\\",
    "A😀",
    "\t",
    "\n",
    "4444-x",
    "_",
  );
  fc.assert(
    fc.property(fc.constantFrom(...PATTERNS), fc.array(piece, { maxLength: 6 }), (pattern, pieces) => {
      const text = pieces.join("");
      const expected = new RegExp(`^(?:${pattern})$`, "u").test(text);
      assert.equal(
        matches(compile(pattern), text, engine),
        expected,
        `${pattern} on ${JSON.stringify(text)}`,
      );
    }),
    { numRuns: 1500 },
  );
});

for (const [pattern, words] of [
  ["(?=a)b", "look-around"],
  ["(?<!a)b", "look-around"],
  ["(a)\\1", "not supported"],
  ["\\bword", "not supported"],
  ["\\p{L}", "not supported"],
  ["a^b", "only at the start"],
  ["(a", "missing"],
  ["a)", "not expected"],
  ["*a", "nothing to repeat"],
  ["a**", "quantifier"],
  ["[b-a]", "range"],
  ["a{3,2}", "counts down"],
  ["[a", "ends too early"],
  ["\\u{110000}", "no character"],
  ["[]", "no finite text"],
  ["a{200000}", "over"],
] as const)
  test(`a pattern that cannot be followed is refused: ${pattern}`, () => {
    assert.throws(
      () => compile(pattern),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, "invalid_request");
        assert.match(error.message, new RegExp(words));
        return true;
      },
    );
  });
