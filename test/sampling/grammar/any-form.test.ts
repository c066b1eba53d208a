import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { compileGrammar } from "../../../src/sampling/grammar/compile-grammar.ts";
import { GrammarEngine } from "../../../src/sampling/grammar/grammar-engine.ts";
import type { GrammarSpec } from "../../../src/sampling/grammar/grammar-spec.ts";
import { tokenBytesOf, VOCABULARY, write } from "./writing.ts";

const KEYWORDS =
  "type properties required additionalProperties items prefixItems minItems maxItems minLength maxLength pattern format " +
  "minimum maximum exclusiveMinimum enum const anyOf oneOf allOf $ref $defs title not uniqueItems a __proto__";
const TEXTS = [
  ...[
    "object",
    "array",
    "string",
    "integer",
    "number",
    "null",
    "boolean",
    "#",
    "#/$defs/a",
    "a",
    "^a+$",
    "[",
    "date",
  ],
];
const { node } = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom<unknown>(...TEXTS),
    fc.constantFrom<unknown>(0, 1, 2, -1, 1.5, 1e300, true, false, null),
    fc.array(tie("node"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...KEYWORDS.split(" ")), tie("node"), { maxKeys: 4 }),
  ),
}));
const pieces = fc.array(
  fc.constantFrom(
    ...'root ::= | ( ) [ ] * + ? { } 1 , 3 " \\ ^ $ - a b . # \n \\u \\d x é 😀 \ud800 (?: (?= ]'.split(" "),
    " ",
  ),
  { maxLength: 14 },
);
const param = "form";
const asSent = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;
const SPECS: fc.Arbitrary<GrammarSpec> = fc.oneof(
  node.map((schema): GrammarSpec => ({ kind: "json_schema", param, schema: asSent(schema) })),
  pieces.map((parts): GrammarSpec => ({ kind: "regex", param, pattern: parts.join("") })),
  pieces.map((parts): GrammarSpec => ({ kind: "ebnf", param, source: `root ::= ${parts.join("")}` })),
  fc
    .array(fc.string(), { minLength: 1, maxLength: 4 })
    .map((choices): GrammarSpec => ({ kind: "choice", param, choices })),
);

/** By a validator that somebody else wrote, where it takes the schema. */
function checkValid(schema: unknown, text: string): void {
  const value: unknown = JSON.parse(text);
  let validate: ((value: unknown) => boolean) | null = null;
  try {
    validate = new Ajv2020({ strict: false, validateFormats: false, logger: false }).compile(
      schema as object,
    );
  } catch {
    return;
  }
  if (!validate(value)) throw new RangeError(`${text} is no ${JSON.stringify(schema)}`);
}

test("whatever is asked for is compiled or refused as the request's fault, and what is compiled can be written", () => {
  const engine = new GrammarEngine(tokenBytesOf(VOCABULARY), VOCABULARY.length);
  let numCompiled = 0;
  fc.assert(
    fc.property(SPECS, fc.nat(), (spec, seed) => {
      try {
        const written = write(compileGrammar(spec), engine, seed, 60);
        numCompiled++;
        if (spec.kind === "json_schema" && written.isComplete) checkValid(spec.schema, written.text);
      } catch (error) {
        assert.ok(error instanceof TroupeError, String(error));
        assert.equal(error.code, "invalid_request");
      }
    }),
    { numRuns: 800 },
  );
  assert.ok(numCompiled > 50, `${numCompiled} were compiled`);
});
