import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { loadConfig, parseConfig } from "../../src/config/load-config.ts";
import { modelConfig, modelConfigs, servedNamesOf } from "../../src/config/model-entries.ts";

const folder = mkdtempSync(join(tmpdir(), "troupe-models-"));
after(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, "models.yaml");
  writeFileSync(path, text);
  return path;
}

const TWO = `
model: { precision: w8, cacheDir: cache }
engine: { kvCacheMb: 64, maxNumSeqs: 8 }
models:
  - path: small
  - name: large
    path: /models/large-v2
    servedNames: [org/large]
    precision: fp32
    engine: { kvCacheMb: 512 }
`;

test("entries lie over the sections, and the first is the configuration's own model", () => {
  const config = loadConfig({ file: file(TWO) });
  const [small, large] = modelConfigs(config);
  assert.deepEqual([config.model, config.engine], [small.model, small.engine]);
  assert.deepEqual(
    [small, large!].map(({ model, engine }) => [
      model.path,
      model.precision,
      engine.kvCacheMb,
      engine.maxNumSeqs,
    ]),
    [
      [join(folder, "small"), "w8", 64, 8],
      ["/models/large-v2", "fp32", 512, 8],
    ],
  );
  assert.deepEqual(
    [small, large!].map(({ model }) => servedNamesOf(model)),
    [["small"], ["large", "org/large"]],
  );
  assert.equal(large!.model.cacheDir, join(folder, "cache"));
  assert.ok(Object.isFrozen(config.models));
});

test("a single model is a list of one", () => {
  const config = parseConfig();
  assert.deepEqual(config.models, []);
  assert.deepEqual(modelConfigs(config), [config]);
});

test("flags lie under the entries, but a flag that names a model takes the list's place", () => {
  const path = file(TWO);
  const queued = loadConfig({ file: path, overrides: { engine: { maxQueuedRequests: 3 } } });
  assert.deepEqual(
    queued.models.map(({ engine }) => engine.maxQueuedRequests),
    [3, 3],
  );
  const one = loadConfig({ file: path, overrides: { model: { path: "other" } }, cwd: "/somewhere" });
  assert.deepEqual([one.models, one.model.path], [[], resolve("/somewhere/other")]);
});

test("programs name several models too; their paths count from the working directory", () => {
  const { models } = loadConfig({
    cwd: "/srv",
    overrides: { models: [{ path: "a" }, { path: "b", engine: { maxNumSeqs: 2 } }] },
  });
  assert.deepEqual(
    models.map(({ model, engine }) => [model.path, engine.maxNumSeqs]),
    [
      [resolve("/srv/a"), 32],
      [resolve("/srv/b"), 2],
    ],
  );
});

test("each model has graphs of its own, whose paths count from the file", () => {
  const path = file(
    "graphs: { seqLengths: [8] }\nmodels:\n" +
      "  - { path: a, graphs: { prefill: [p.onnx], argmax: argmax.onnx } }\n  - { path: b }\n",
  );
  const { models, graphs } = loadConfig({ file: path });
  const at = (name: string) => join(folder, name);
  assert.deepEqual(
    models.map((part) => [part.graphs.prefill, part.graphs.argmax, part.graphs.seqLengths]),
    [
      [[at("p.onnx")], at("argmax.onnx"), []],
      [[], null, []],
    ],
  );
  assert.deepEqual(graphs, models[0]!.graphs);
});

test("a precision that names keys and values too is taken at its word; others leave the section's", () => {
  const base = parseConfig({ engine: { kvDtype: "f16" } });
  const options = { what: "body", code: "invalid_request", folder: "/" } as const;
  const kvDtype = (entry: object): string =>
    modelConfig(base, { path: "x", ...entry }, options).engine.kvDtype;
  assert.equal(kvDtype({}), "f16");
  assert.equal(kvDtype({ precision: "w4" }), "f16");
  assert.equal(kvDtype({ precision: "a_bf16_w_int8_kv_int8" }), "int8");
  assert.equal(kvDtype({ precision: "bf16", engine: { kvDtype: "f32" } }), "f32");
});

test("what is wrong is named with the entry it stands in", () => {
  const fails = (text: string, message: RegExp): void =>
    assert.throws(() => loadConfig({ file: file(text) }), { code: "invalid_config", message });
  fails("models: small", /models\.yaml: "models" must be a list of models, each with a "path"/);
  fails("models: []", /must be a list of models/);
  fails("models: [{ name: a }]", /models\[0\].*path/);
  fails("models: [{ path: a }, { path: b, precision: w3 }]", /models\[1\].*precision/);
  fails("models: [{ path: a, pathh: b }]", /models\[0\].*pathh/);
  fails("models: [{ path: a, engine: { maxNumSeqs: 0 } }]", /models\[0\].*maxNumSeqs/);
  fails("models: [{ path: x/a }, { path: y/a }]", /models\.yaml: models: two models are named "a"/);
});

test("a management call says the same, and is told in its own code", () => {
  const options = { what: "body", code: "invalid_request", folder: "/srv" } as const;
  const { model } = modelConfig(parseConfig(), { name: "a", path: "m" }, options);
  assert.deepEqual([model.path, model.servedNames], [resolve("/srv/m"), ["a"]]);
  for (const body of [undefined, [], { path: 1 }, { path: "m", engine: 3 }, { path: "m", threads: 2 }])
    assert.throws(() => modelConfig(parseConfig(), body, options), { code: "invalid_request" });
});
