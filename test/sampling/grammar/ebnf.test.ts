import assert from "node:assert/strict";
import { test } from "node:test";
import { compileGrammar } from "../../../src/sampling/grammar/compile-grammar.ts";
import { matches } from "./writing.ts";

const compile = (source: string) => compileGrammar({ kind: "ebnf", param: "guided_grammar", source });

test("a grammar matches its language", () => {
  const arithmetic = compile(`
    # sums of products
    root   ::= term (("+" | "-") term)*   # with a comment
    term   ::= factor ("*" factor)*
    factor ::= [0-9]+ |
               "(" root ")"
  `);
  for (const text of ["1", "1+2*3", "(1+2)*3", "((7))-10"]) assert.ok(matches(arithmetic, text), text);
  for (const text of ["", "+1", "1+", "(1", "1)", "a"]) assert.ok(!matches(arithmetic, text), text);
});

test("literals, classes and counts", () => {
  const grammar = compile('root ::= "\\x41\\u4e2d\\n\\"" [^a-c\\]]{2,3} . ("x" | "")');
  assert.ok(matches(grammar, 'A中\n"de!'));
  assert.ok(matches(grammar, 'A中\n"déf!x'));
  assert.ok(!matches(grammar, 'A中\n"ae!'));
  assert.ok(!matches(grammar, 'A中\n"de\n'));
});

for (const [source, words] of [
  ["", "not defined"],
  ['start ::= "a"', 'rule "root" is not defined'],
  ["root ::= other", '"other" is not defined'],
  ['root ::= "a"\nroot ::= "b"', "twice"],
  ['root ::= root "a" | "b"', "refers to itself"],
  ['root ::= x "a" | "c"\nx ::= "b"? root', "refers to itself"],
  ['root ::= "a" root', "no finite text"],
  ['root = "a"', "::="],
  ['root ::= "a', "too early"],
  ['root ::= ("a"', "missing"],
  ["root ::= %", "not expected"],
] as const)
  test(`a grammar that cannot be followed is refused: ${JSON.stringify(source)}`, () => {
    assert.throws(
      () => compile(source),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, "invalid_request");
        assert.ok(error.message.includes(words), error.message);
        return true;
      },
    );
  });
