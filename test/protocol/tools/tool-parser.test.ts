import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ToolEvent } from "../../../src/protocol/tools/tool-events.ts";
import { createToolParser, resolveToolParser } from "../../../src/protocol/tools/tool-parser.ts";
import { readToolCalls } from "../../../src/protocol/tools/tool-reader.ts";

type Name = Parameters<typeof createToolParser>[0];
type Case = readonly [
  answer: string,
  text: string,
  ...calls: readonly (readonly [name: string, args: string])[],
];

const CASES: Readonly<Record<Name, readonly Case[]>> = {
  hermes: [
    ["Just text. ", "Just text. "],
    ['<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>', "", ["f", '{"x": 1}']],
    [
      'Sure.\n<tool_call>\n{"name": "f", "arguments": {"x": "}\\"</tool_call>"}}\n</tool_call>\n<tool_call>\n{"name":"g","arguments":{}}\n</tool_call>\n',
      "Sure.",
      ["f", '{"x": "}\\"</tool_call>"}'],
      ["g", "{}"],
    ],
    [
      '<tool_call>{"arguments": {"x": [1, {"y": 2}]} , "name": "f"}</tool_call> done',
      " done",
      ["f", '{"x": [1, {"y": 2}]}'],
    ],
    ['<tool_call>{"name": "f", "arguments": "{\\"x\\": 1}"}</tool_call>', "", ["f", '{"x": 1}']],
    ['<tool_call>{"name": "f"}</tool_call>', "", ["f", "{}"]],
    ["a <tool b <tool_call", "a <tool b <tool_call"],
    ["<tool_call>nonsense</tool_call>", "<tool_call>nonsense</tool_call>"],
    ['<tool_call>{"city": "Paris"}</tool_call>', '<tool_call>{"city": "Paris"}</tool_call>'],
    ['<tool_call>{"name": "f", "argum', '<tool_call>{"name": "f", "argum'],
    ['<tool_call>{"name": "f", "arguments": {"x": "cut', "", ["f", '{"x": "cut']],
    ["中文 <", "中文 <"],
  ],
  llama3: [
    ["Hello {name}", "Hello {name}"],
    ['{"name": "f", "parameters": {"x": 1}}', "", ["f", '{"x": 1}']],
    [
      '<|python_tag|>{"type": "function", "name": "f", "parameters": {"x": 1}}; {"name": "g", "parameters": {}}',
      "",
      ["f", '{"x": 1}'],
      ["g", "{}"],
    ],
    ['{"answer": 42}', '{"answer": 42}'],
    ['{"name": "Ana", "id": 7}', '{"name": "Ana", "id": 7}'],
    ["<|python_tag|>print(1)", "<|python_tag|>print(1)"],
    ['{"name": "f", ', '{"name": "f", '],
    [" \n", " \n"],
  ],
  mistral: [
    ["Plain [text]", "Plain [text]"],
    [
      '[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": {"y": "]"}}]',
      "",
      ["f", '{"x": 1}'],
      ["g", '{"y": "]"}'],
    ],
    [
      'Let me see.[TOOL_CALLS]f{"x": 1}[TOOL_CALLS]g[ARGS]{"y": {"z": "}"}}',
      "Let me see.",
      ["f", '{"x": 1}'],
      ["g", '{"y": {"z": "}"}}'],
    ],
    ["[TOOL_CALLS]", "[TOOL_CALLS]"],
    ["[TOOL_CALLS] what?", "[TOOL_CALLS] what?"],
    ["[TOOL_CALLS] [1, 2]", "[TOOL_CALLS] [1, 2]"],
  ],
  chatglm3: [
    ["\n Hello! How are you?", "\n Hello! How are you?"],
    [
      "get_weather\n ```python\ntool_call(city='Paris', days=3, fine=True, tags=['a', \"b\"], x=None, y={'k': -1.5})\n```",
      "",
      ["get_weather", '{"city":"Paris","days":3,"fine":true,"tags":["a","b"],"x":null,"y":{"k":-1.5}}'],
    ],
    ["f\n```python\ntool_call(text='a) it\\'s (b)')\n```  ", "", ["f", '{"text":"a) it\'s (b)"}']],
    ["f\n```python\ntool_call()\n```", "", ["f", "{}"]],
    ["f\n```python\nprint(1)\n```", "f\n```python\nprint(1)\n```"],
    ["Hello", "Hello"],
  ],
  json: [
    [
      '[{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": {}}]',
      "",
      ["f", '{"x": 1}'],
      ["g", "{}"],
    ],
    ["no", "no"],
    ['{"name": "Ana", "arguments": {}}', '{"name": "Ana", "arguments": {}}'],
    ['[{"name": "Ana"}]', '[{"name": "Ana"}]'],
  ],
};

/** Neighbouring pieces joined, which is all that pieces may differ in. */
function joined(events: readonly ToolEvent[]): string {
  let result = "";
  for (const event of events)
    result +=
      event.kind === "text"
        ? `T${event.text}`
        : event.kind === "call"
          ? `\0C${event.index}${event.name}\0`
          : event.text;
  return result.replaceAll("T", "");
}

const ALL = Object.entries(CASES) as [Name, readonly Case[]][];

for (const [name, cases] of ALL)
  test(`what a model of the ${name} form writes becomes text and calls`, () => {
    for (const [answer, text, ...calls] of cases) {
      const read = readToolCalls({ parser: name, maxCalls: Number.POSITIVE_INFINITY }, answer);
      const expected = { text, calls: calls.map(([called, args]) => ({ name: called, arguments: args })) };
      assert.deepEqual(read, expected, answer);
    }
  });

test("however the text is cut, the calls are the same; a character at a time as well", () => {
  const pieces = ALL.flatMap(([, cases]) => cases.map(([answer]) => answer));
  const marks = [
    "<tool_call>",
    "</tool_call>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<|python_tag|>",
    '{"name": "f"',
    ', "arguments": {',
    "}",
    "}}",
    "]",
    "\n```python\ntool_call(",
    ")",
    "a",
    " ",
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...ALL.map(([name]) => name)),
      fc.oneof(
        fc.constantFrom(...pieces),
        fc.array(fc.constantFrom(...marks), { maxLength: 8 }).map((parts) => parts.join("")),
      ),
      fc.array(fc.nat({ max: 12 }), { maxLength: 30 }),
      (name, answer, sizes) => {
        const whole = createToolParser(name);
        const expected = joined([...whole.push(answer), ...whole.end()]);
        const single = createToolParser(name);
        assert.equal(
          joined([...[...answer].flatMap((char) => single.push(char)), ...single.end()]),
          expected,
        );
        const cut = createToolParser(name);
        const events: ToolEvent[] = [];
        let rest = answer;
        for (const size of sizes) {
          events.push(...cut.push(rest.slice(0, size)));
          rest = rest.slice(size);
        }
        assert.equal(joined([...events, ...cut.push(rest), ...cut.end()]), expected);
      },
    ),
    { numRuns: 600 },
  );
});

test("an answer without a call is given on unchanged", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ALL.map(([name]) => name)),
      fc.string({ unit: "binary" }),
      (name, answer) => {
        const { text, calls } = readToolCalls({ parser: name, maxCalls: 1 }, answer);
        if (calls.length === 0) assert.equal(text, answer);
      },
    ),
    { numRuns: 300 },
  );
});

test("arguments are given on while they are written", () => {
  const parser = createToolParser("hermes");
  assert.deepEqual(parser.push('<tool_call>{"name": "f", "arguments": {"te'), [
    { kind: "call", index: 0, name: "f" },
    { kind: "arguments", index: 0, text: '{"te' },
  ]);
  assert.deepEqual(parser.push('xt": "a'), [{ kind: "arguments", index: 0, text: 'xt": "a' }]);
});

test("calls beyond the limit are dropped", () => {
  const answer = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'.repeat(3);
  assert.equal(readToolCalls({ parser: "hermes", maxCalls: 1 }, answer).calls.length, 1);
});

test("the form is that of the chat template, else of the architecture, unless it is configured", () => {
  assert.equal(resolveToolParser("auto", "... <tool_call> ...", "qwen2"), "hermes");
  assert.equal(resolveToolParser("auto", "... [TOOL_CALLS] ...", "mistral"), "mistral");
  assert.equal(resolveToolParser("auto", "Environment: ipython", "llama"), "llama3");
  assert.equal(resolveToolParser("auto", null, "chatglm"), "chatglm3");
  assert.equal(resolveToolParser("auto", "plain", "llama"), null);
  assert.equal(resolveToolParser("none", "<tool_call>", "qwen2"), null);
  assert.equal(resolveToolParser("mistral", "<tool_call>", "qwen2"), "mistral");
});
