import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { compileGrammar } from "../../../src/sampling/grammar/compile-grammar.ts";
import { GrammarEngine } from "../../../src/sampling/grammar/grammar-engine.ts";
import { matches, tokenBytesOf, VOCABULARY, write } from "./writing.ts";

const compile = (schema: unknown) => compileGrammar({ kind: "json_schema", param: "schema", schema });
const engine = new GrammarEngine(tokenBytesOf(VOCABULARY), VOCABULARY.length);
const person = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 12 },
    age: { type: "integer", minimum: -3, maximum: 1207 },
    tags: { type: "array", items: { type: "string", minLength: 1, maxLength: 4 }, minItems: 1, maxItems: 3 },
    kind: { enum: ["a", 2, null, { b: ["c"] }] },
  },
  required: ["name", "kind"],
  additionalProperties: false,
};
const list = {
  $ref: "#/$defs/node",
  $defs: {
    node: {
      type: "object",
      properties: {
        value: { type: "number" },
        next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
      },
      required: ["value", "next"],
    },
  },
};
const shapes = {
  oneOf: [
    {
      type: "object",
      properties: { kind: { const: "circle" }, r: { type: "integer" } },
      required: ["kind", "r"],
    },
    { type: "object", properties: { kind: { const: "line" } }, required: ["kind"] },
    { type: "string", pattern: '^[a-z"\\\\\\n中]{2,5}$|0$' },
  ],
};
const others = {
  type: "object",
  properties: { foo: { type: "string", maxLength: 3 }, fo: { type: "boolean" } },
  required: ["foo", "bar"],
  additionalProperties: { type: "integer", minimum: 5 },
};
const SCHEMAS: Record<string, unknown> = {
  person,
  list,
  shapes,
  others,
  anything: {},
  tuple: {
    prefixItems: [{ type: "boolean" }, { type: "string", maxLength: 2 }],
    items: { type: "null" },
    minItems: 1,
    maxItems: 4,
  },
  pair: { prefixItems: [{ type: "boolean" }, { const: 1 }], items: false, minItems: 2 },
  range: { type: ["integer", "null"], exclusiveMinimum: 8, maximum: 10301 },
  negative: { type: "integer", minimum: -120, exclusiveMaximum: -7 },
  untyped: { minLength: 2, maxLength: 3, maxItems: 0 },
};

for (const [name, schema] of Object.entries(SCHEMAS)) {
  test(`whatever tokens are drawn, the answer validates: ${name}`, () => {
    const validate = new Ajv2020({ strict: false }).compile(schema as object);
    const grammar = compile(schema);
    let numComplete = 0;
    for (let seed = 0; seed < 60; seed++) {
      const { text, isComplete } = write(grammar, engine, seed);
      if (!isComplete) continue;
      numComplete++;
      const value: unknown = JSON.parse(text);
      assert.ok(validate(value), `${text}: ${JSON.stringify(validate.errors)}`);
    }
    assert.ok(numComplete > 20, `${numComplete} answers ended`);
  });
}

test("formats are written so that they parse", () => {
  const written = (format: string, seed: number): string =>
    JSON.parse(write(compile({ type: "string", format }), engine, seed).text) as string;
  for (let seed = 0; seed < 40; seed++) {
    assert.ok(!Number.isNaN(Date.parse(written("date-time", seed))));
    assert.equal(new Date(written("date", seed)).toISOString().length > 0, true);
    assert.match(written("uuid", seed), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(
      written("ipv4", seed)
        .split(".")
        .every((part) => Number(part) < 256),
    );
    assert.ok(URL.canParse(written("uri", seed)));
  }
});

test("what a schema accepts in the usual spellings is reachable", () => {
  const grammar = compile(person);
  for (const text of [
    '{"name": "Ana", "kind": null}',
    '{"name":"Ana","age":7,"kind":"a"}',
    '{\n  "name": "\\u00e9\\"",\n  "tags": [\n    "x",\n    "y"\n  ],\n  "kind": 2\n}',
    '{"name": "中文😀", "kind": {"b":["c"]}}',
  ])
    assert.ok(matches(grammar, text), text);
});

test("what a schema does not accept is out of reach", () => {
  const grammar = compile(person);
  for (const text of [
    '{"name": "Ana"}',
    '{"name": "Ana", "kind": "b"}',
    '{"kind": 2, "name": "Ana"}',
    '{"name": "Ana", "age": 1208, "kind": 2}',
    '{"name": "thirteen char", "kind": 2}',
    '{"name": "\\ud800", "kind": 2}',
    '{"name": "Ana", "tags": [], "kind": 2}',
    '{"name": "Ana", "kind": 2, "x": 1}',
    '{"name": "a\nb", "kind": 2}',
    `{"name":${" ".repeat(40)}"Ana", "kind": 2}`,
  ])
    assert.ok(!matches(grammar, text), text);
});

test("bounds of integers hold exactly", () => {
  for (const [minimum, maximum] of [
    [0, 9],
    [7, 1234],
    [-15, 4],
    [99, 101],
    [1000, 1000],
    [-1000, -998],
  ] as const) {
    const grammar = compile({ type: "integer", minimum, maximum });
    for (let value = minimum - 3; value <= maximum + 3; value++)
      assert.equal(matches(grammar, String(value)), value >= minimum && value <= maximum, String(value));
  }
});

const REFUSED: readonly (readonly [unknown, string])[] = [
  [{ type: "number", multipleOf: 3 }, "schema.multipleOf"],
  [{ type: "object", properties: { a: { not: {} } } }, "schema.properties.a.not"],
  [{ type: "array", uniqueItems: true }, "schema.uniqueItems"],
  [{ type: "array", items: { contains: 1 } }, "schema.items.contains"],
  [{ type: "number", minimum: 1 }, "schema.minimum"],
  [{ type: "string", format: "phone" }, "schema.format"],
  [{ type: "string", pattern: "(?=a)" }, "schema.pattern"],
  [{ type: "string", pattern: "a", maxLength: 3 }, "schema"],
  [{ type: "thing" }, "schema.type"],
  [{ type: "object", patternProperties: {} }, "schema.patternProperties"],
  [{ type: "object", minProperties: 1 }, "schema.minProperties"],
  [{ if: {} }, "schema.if"],
  [{ anyOf: [{ type: "string" }], minLength: 2 }, "schema.minLength"],
  [{ allOf: [{ type: "string" }, { minLength: 2 }] }, "schema.allOf"],
  [{ oneOf: [{ type: "string" }, { type: "string", maxLength: 3 }] }, "schema.oneOf"],
  [{ oneOf: [{ type: "integer" }, { type: "number" }] }, "schema.oneOf"],
  [{ $ref: "https://example.com/a" }, "schema.$ref"],
  [{ $ref: "#/$defs/none" }, "schema.$ref"],
  [{ $ref: "#" }, "schema"],
  [{ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }, "schema"],
  [{ type: "object", required: ["a"], additionalProperties: false }, "schema"],
  [{ enum: [] }, "schema"],
  [{ type: "string", enum: [1] }, "schema"],
  [{ type: "integer", minimum: 3, maximum: 2 }, "schema"],
  [{ type: "array", minItems: 3, maxItems: 2 }, "schema.minItems"],
  [{ type: "string", minLength: -1 }, "schema.minLength"],
  [{ properties: 3 }, "schema.properties"],
  [false, "schema"],
  ["string", "schema"],
  [{ nullable: true, type: "string" }, "schema.nullable"],
];

for (const [schema, param] of REFUSED)
  test(`what cannot be kept is refused by name: ${JSON.stringify(schema)}`, () => {
    assert.throws(
      () => compile(schema),
      (error: { code: string; details: { param: string }; message: string }) => {
        assert.equal(error.code, "invalid_request");
        assert.equal(error.details.param, param);
        return error.message.startsWith(`"${param}"`);
      },
    );
  });

test("a deep, a wide and an endless schema are refused or compiled, in bounded time", () => {
  let deep: unknown = { type: "null" };
  for (let i = 0; i < 200; i++) deep = { type: "array", items: deep };
  assert.throws(() => compile(deep), { code: "invalid_request" });
  const names = Array.from({ length: 400 }, (_, index) => `p${index}`);
  const wide = {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, { type: "integer" }])),
  };
  const { text } = write(compile(wide), engine, 1, 4000);
  assert.ok(text.startsWith("{"));
  assert.throws(() => compile({ enum: Array.from({ length: 5000 }, (_, index) => index) }), {
    code: "invalid_request",
  });
});
