import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { loadServable } from "../../src/execution/load-servable.ts";
import { folderOf, openModel, pairModel } from "../servables/test-models.ts";

const OPTIONS = { version: 0, threads: 1, device: "cpu:0" };

/** A folder with a servable's module, and a model in each folder named. */
function makeModule(
  t: Parameters<typeof folderOf>[0],
  definition: string,
  models: readonly string[] = ["."],
): { module: string; folder: URL } {
  const folder = folderOf(t, { "servable.mjs": Buffer.from(`export default ${definition};\n`) });
  for (const path of models) {
    mkdirSync(new URL(`${path}/`, folder), { recursive: true });
    writeFileSync(new URL(`${path}/add.onnx`, folder), pairModel("Add"));
  }
  return { module: new URL("servable.mjs", folder).href, folder };
}

const definition = (rest = "", stage = '{ model: "add", inputs: ["a", "b"], outputs: ["y"] }'): string =>
  `{ name: "s", ${rest} models: { add: { file: "add.onnx" } }, methods: { m: { inputs: ["a", "b"], stages: [${stage}], outputs: ["y"] } } }`;

test("a servable with a version has its models beside its module", async (t) => {
  const { module } = makeModule(t, definition("version: 3,"));
  const { info, loaded } = await loadServable(module, OPTIONS);
  t.after(() => {
    for (const model of loaded) model.release();
  });
  const port = (name: string) => ({ name, type: "float32", dims: [2, 2] });
  assert.deepEqual(info, {
    name: "s",
    version: 3,
    batchSize: 2,
    methods: [{ name: "m", inputs: ["a", "b"], outputs: ["y"] }],
    models: [{ name: "add", batchSize: 2, inputs: [port("x1"), port("x2")], outputs: [port("y")] }],
  });
});

test("without one, versions are numbered folders: 0 is the newest, by number", async (t) => {
  const { module } = makeModule(t, definition(), ["2", "10", "old"]);
  for (const [version, expected] of [
    [0, 10],
    [2, 2],
  ] as const) {
    const { info, loaded } = await loadServable(module, { ...OPTIONS, version });
    for (const model of loaded) model.release();
    assert.equal(info.version, expected);
  }
  await assertRefused(
    loadServable(module, { ...OPTIONS, version: 3 }),
    /no version 3 beside .*\(there are 2, 10\)/,
  );
});

test("what does not fit is said before anybody asks", async (t) => {
  const cases: readonly (readonly [string, RegExp, number?])[] = [
    [definition("version: 1,"), /version 1; version 2 was asked for/, 2],
    [definition(), /no version folder beside .*\(there is none\)/],
    [
      definition("version: 1,", '{ model: "add", inputs: ["a"], outputs: ["y"] }'),
      /Method m, stage 1: model add has 2 inputs \(x1, x2\), the stage names 1/,
    ],
    [
      definition("version: 1,", '{ model: "add", inputs: ["a", "b"], outputs: ["y", "z"] }'),
      /model add has 1 outputs \(y\), the stage names 2/,
    ],
    [definition("version: 1, methds: 1,"), /unknown key "methds" \(did you mean "methods"\?\)/],
    ["undefined", /has no default export; write: export default defineServable/],
    ["(() => { throw new Error('no') })()", /cannot be loaded: no/],
  ];
  for (const [text, message, version = 0] of cases) {
    const { module } = makeModule(t, text);
    await assertRefused(loadServable(module, { ...OPTIONS, version }), message);
  }
});

test("a device that is not there is named, with what to install", async (t) => {
  const { module } = makeModule(t, definition("version: 1,"));
  const device = process.platform === "win32" ? "coreml" : "dml:0";
  await assertRefused(
    loadServable(module, { ...OPTIONS, device }),
    /is not available\. onnxruntime-node has/,
  );
});

test("an open batch dimension is joined up to 32 instances, or as declared", async (t) => {
  const text = `{ name: "s", version: 1, models: { o: { file: "o.onnx", withoutBatchDimInputs: [1] } }, methods: { m: { inputs: ["x", "s"], stages: [{ model: "o", inputs: ["x", "s"], outputs: ["y", "r"] }], outputs: ["y"] } } }`;
  const { module, folder } = makeModule(t, text);
  writeFileSync(new URL("o.onnx", folder), openModel());
  const { info, loaded } = await loadServable(module, OPTIONS);
  for (const model of loaded) model.release();
  assert.equal(info.batchSize, 32);
  assert.deepEqual(info.models[0]!.inputs[0], { name: "x", type: "float32", dims: [null, null] });
});

async function assertRefused(loading: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(loading, (error) => {
    assert.ok(error instanceof TroupeError);
    assert.match(error.message, message);
    return true;
  });
}
