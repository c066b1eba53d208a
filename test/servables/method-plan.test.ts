import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { planMethods } from "../../src/servables/method-plan.ts";
import { readDefinition } from "../../src/servables/read-definition.ts";
import { defineServable } from "../../src/servables/servable-definition.ts";

const run = (x: unknown): unknown => x;

/** The plans of one method over a model `net`. */
function plan(method: object): ReturnType<typeof planMethods> {
  const definition = { name: "s", models: { net: { file: "net.onnx" } }, methods: { m: method } };
  return planMethods(readDefinition(definition, "s.ts"));
}

test("stages read the values that were there when they were written, also where a name is used again", () => {
  const [method] = plan({
    inputs: ["x", "y"],
    stages: [
      { run, inputs: ["y", "x"], outputs: ["x", "z"], tag: "Preprocess" },
      { model: "net", inputs: ["x"], outputs: ["x"] },
      { run, inputs: ["x", "y"], outputs: ["label"], batchSize: 0 },
    ],
    outputs: ["label", "y"],
  });
  assert.deepEqual(
    method!.stages.map(({ inputSlots, outputSlots, tag }) => ({ inputSlots, outputSlots, tag })),
    [
      { inputSlots: [1, 0], outputSlots: [2, 3], tag: "Preprocess" },
      { inputSlots: [2], outputSlots: [4], tag: "model net" },
      { inputSlots: [4, 1], outputSlots: [5], tag: "run" },
    ],
  );
  assert.deepEqual(method!.outputSlots, [5, 1]);
  assert.deepEqual(
    method!.stages.map(({ work }) => (work.kind === "function" ? work.batchSize : work.model)),
    [null, "net", 0],
  );
});

const stage = { run, inputs: ["x"], outputs: ["y"] };
for (const [what, given, message] of [
  ["an input of nowhere", { ...stage, inputs: ["z"] }, /s, method m, stage 1: there is no value "z"/],
  [
    "a mistyped model",
    { model: "nett", inputs: ["x"], outputs: ["y"] },
    /there is no model "nett". Did you mean "net"\?/,
  ],
  ["an output twice", { ...stage, outputs: ["y", "y"] }, /stage 1: "y" is there twice/],
] as const) {
  test(`${what} is named with its stage`, () => {
    assertRefused(() => plan({ inputs: ["x"], stages: [given], outputs: ["x"] }), message);
  });
}

test("a method's output that no stage puts out is named", () => {
  assertRefused(
    () => plan({ inputs: ["x"], stages: [stage], outputs: ["labels"] }),
    /s, method m, outputs: there is no value "labels". Known here: x, y/,
  );
});

for (const [what, definition, message] of [
  ["nothing", undefined, /s\.ts: /],
  [
    "a name with a colon",
    { name: "a:b", methods: { m: {} } },
    /"name": must not be empty or have spaces or any of/,
  ],
  ["no methods", { name: "s", methods: {} }, /"methods": must have a method/],
  ["a version of 0", { name: "s", version: 0, methods: {} }, /"version": must be at least 1/],
  [
    "an unknown key",
    { name: "s", metods: {}, methods: {} },
    /unknown key "metods" \(did you mean "methods"\?\)/,
  ],
  [
    "a method without inputs",
    { name: "s", methods: { m: { inputs: [], stages: [], outputs: ["x"] } } },
    /"methods.m.inputs": must not be empty/,
  ],
  [
    "a stage that is no function",
    { name: "s", methods: { m: { inputs: ["x"], stages: [{ ...stage, run: "decode" }], outputs: ["x"] } } },
    /must be a function/,
  ],
  [
    "a batch size below 0",
    { name: "s", methods: { m: { inputs: ["x"], stages: [{ ...stage, batchSize: -1 }], outputs: ["x"] } } },
    /"methods.m.stages.0.batchSize": must be at least 0/,
  ],
] as const) {
  test(`a module that exports ${what} is refused with the place`, () => {
    assertRefused(() => readDefinition(definition, "s.ts"), message);
  });
}

test("a definition may name its own models alone", () => {
  const definition = defineServable({
    name: "s",
    models: { net: { file: "net.onnx" } },
    methods: {
      m: {
        inputs: ["x"],
        // @ts-expect-error: there is no model of that name
        stages: [{ model: "other", inputs: ["x"], outputs: ["y"] }],
        outputs: ["y"],
      },
    },
  });
  assertRefused(() => planMethods(definition), /there is no model "other"/);
});

function assertRefused(act: () => unknown, message: RegExp): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof TroupeError && error.code === "invalid_config");
    assert.match(error.message, message);
    return true;
  });
}
