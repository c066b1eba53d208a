import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileGrammar } from "../../../src/sampling/grammar/compile-grammar.ts";
import type { Grammar } from "../../../src/sampling/grammar/grammar.ts";
import type { GrammarSpec } from "../../../src/sampling/grammar/grammar-spec.ts";
import { matches } from "./writing.ts";

const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

function free(): Grammar {
  const spec: GrammarSpec = {
    kind: "tool_calls",
    param: "tools",
    tools: [
      { name: "weather", parameters: schema, isStrict: true, param: "tools[0].function.parameters" },
      { name: "any", parameters: null, isStrict: false, param: "tools[1].function.parameters" },
    ],
    form: "hermes",
    maxCalls: 1,
    isFree: true,
  };
  return compileGrammar(spec);
}

const CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>';

test("beside strict tools text is free, and what begins as a call must be one", () => {
  const grammar = free();
  for (const text of [
    "",
    "No call.",
    "a < b, <tool_cal",
    "<<<tool_cal<tool_ca",
    CALL,
    `I look it up. ${CALL}`,
    `${CALL}\n${CALL} Done. 中`,
    `<<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>`,
    '<tool_call>{"name": "any", "arguments": {"x": [1, null]}}</tool_call>',
    "</tool_call>",
  ])
    assert.ok(matches(grammar, text), text);
  for (const text of [
    "<tool_call>",
    "<tool_call>no",
    `<tool_call>{"name": "other", "arguments": {}}</tool_call>`,
    `<tool_call>{"name": "weather", "arguments": {}}</tool_call>`,
    `<tool_call>{"name": "weather", "arguments": {"city": 1}}</tool_call>`,
    `${CALL}<tool_call>{"name": "weather"`,
    `a <tool_call>{"name": "weather", "arguments": {"city": "Rome"}} and more`,
  ])
    assert.ok(!matches(grammar, text), text);
});

test("any text without the mark is free, however it nearly has it", () => {
  const grammar = free();
  const piece = fc.constantFrom("<", "<tool", "_call", ">", "<tool_call", "t", " ", "é", "</tool_call>");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join("");
      assert.equal(matches(grammar, text), !text.includes("<tool_call>"), text);
    }),
    { numRuns: 300 },
  );
});
