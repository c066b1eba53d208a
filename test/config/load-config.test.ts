import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { defaultConfig } from "../../src/config/defaults.ts";
import { loadConfig, type PartialConfig, parseConfig } from "../../src/config/load-config.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";

function yamlFile(t: TestContext, text: string): { file: string; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), "troupe-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "a.yaml"), text);
  return { file: join(folder, "a.yaml"), folder };
}

function failure(load: () => unknown): TroupeError {
  try {
    load();
  } catch (error) {
    assert.ok(error instanceof TroupeError, `not a TroupeError: ${error}`);
    return error;
  }
  return assert.fail("nothing was thrown");
}

test("nothing given is the default, frozen throughout", () => {
  const config = parseConfig();
  assert.deepEqual(config, defaultConfig());
  assert.ok(
    Object.isFrozen(config) && Object.isFrozen(config.server) && Object.isFrozen(config.model.servedNames),
  );
});

test("overrides win over the file, the file over defaults, key by key", (t) => {
  const { file } = yamlFile(t, "server:\n  port: 9000\n  host: 0.0.0.0\nlog:\n  level: debug\n");
  const config = loadConfig({
    file,
    overrides: { server: { port: 9001, host: undefined }, engine: undefined },
  });
  assert.equal(config.server.port, 9001);
  assert.equal(config.server.host, "0.0.0.0");
  assert.equal(config.log.level, "debug");
  assert.equal(config.log.format, "pretty");
});

test("relative paths count from the file, those of overrides from the working directory, ~ from home", (t) => {
  const { file, folder } = yamlFile(t, "model:\n  path: models/a\n  cacheDir: ~/cache\n");
  const fromFile = loadConfig({ file }).model;
  assert.equal(fromFile.path, join(folder, "models", "a"));
  assert.equal(fromFile.cacheDir, join(homedir(), "cache"));
  const overridden = loadConfig({ file, overrides: { model: { path: "../b" } }, cwd: join(folder, "sub") });
  assert.equal(overridden.model.path, join(folder, "b"));
});

test("empty files and sections without keys are fine", (t) => {
  for (const text of [
    "",
    "# nothing\n\n  # more\n",
    "server:\n",
    "server:\n  # port: 1\nlog: {}\n",
    "\uFEFFlog: {}\n",
  ]) {
    assert.deepEqual(loadConfig({ file: yamlFile(t, text).file }), defaultConfig());
  }
});

for (const [given, precision, kvDtype] of [
  [{ model: { precision: "w4" } }, "w4", "f32"],
  [{ model: { precision: "w4g128" } }, "w4g128", "f32"],
  [{ model: { precision: "bf16" } }, "fp32", "f16"],
  [{ model: { precision: "a_bf16_w_int8" } }, "w8", "f16"],
  [{ model: { precision: "a_bf16_w_int8_kv_int8" } }, "w8", "int8"],
  [{ engine: { kvDtype: "int8" } }, null, "int8"],
  [{ model: { precision: "a_bf16_w_int8_kv_int8" }, engine: { kvDtype: "f16" } }, "w8", "f16"],
  [{ model: { precision: "bf16" }, engine: { kvDtype: null } }, "fp32", "f16"],
] as const satisfies readonly [PartialConfig, string | null, string][]) {
  test(`${JSON.stringify(given)} is ${precision ?? "the folder's own"} weights and ${kvDtype} keys and values`, () => {
    const { model, engine } = parseConfig(given);
    assert.deepEqual([model.precision, engine.kvDtype], [precision, kvDtype]);
    assert.deepEqual(parseConfig({ model, engine }), parseConfig(given), "a checked configuration is stable");
  });
}

for (const [title, text, message] of [
  ["broken syntax", "server:\n  port: [1\n", /a\.yaml:3:1: /],
  ["a tab", "server:\n\tport: 1\n", /a\.yaml:\d+:\d+: /],
  ["a key given twice", "server:\n  port: 1\n  port: 2\n", /a\.yaml:3:3: duplicated mapping key/],
  ["a second document", "log: {}\n---\nlog: {}\n", /a\.yaml: expected a single document/],
  ["a list at the top", "- server\n", /a\.yaml: must be sections of keys such as "server:", not a list/],
  ["an unknown section", "sever:\n  port: 1\n", /a\.yaml: unknown key "sever" \(did you mean "server"\?\)/],
  [
    "an unknown key",
    "engine:\n  max_num_seqs: 3\n",
    /unknown key "engine\.max_num_seqs" \(did you mean "maxNumSeqs"\?\)/,
  ],
  ["a key outside its section", "port: 1\n", /unknown key "port" \(did you mean "server\.port"\?\)/],
  [
    "a number in quotes",
    'server:\n  port: "80"\n',
    /"server\.port": must be a number; write it without quotes \(got "80"\)/,
  ],
  [
    "an unknown precision",
    "model:\n  precision: w3\n",
    /"model\.precision": must be "fp32", "w8", "w4", "w4g128", "bf16", .* or "a_bf16_w_int8_kv_int8"/,
  ],
  [
    "a page size that is no power of two",
    "engine:\n  pageSize: 24\n",
    /"engine\.pageSize": must be a power of two from 8 to 256 \(got 24\)/,
  ],
  ["a section that is no section", "server: 8000\n", /"server": must be an object \(got 8000\)/],
] as const) {
  test(`${title} is named with its place`, (t) => {
    const { file } = yamlFile(t, text);
    const error = failure(() => loadConfig({ file }));
    assert.equal(error.code, "invalid_config");
    assert.match(error.message, message);
  });
}

test("a file that is missing or a folder is a file error that says so", (t) => {
  const { folder } = yamlFile(t, "");
  for (const [name, reason] of [
    ["none.yaml", /none\.yaml does not exist/],
    [".", / is a folder/],
  ] as const) {
    const error = failure(() => loadConfig({ file: join(folder, name) }));
    assert.equal(error.code, "file_error");
    assert.match(error.message, reason);
  }
});

for (const [partial, path, message] of [
  [
    { engine: { maxNumSeqs: 64, maxNumBatchedTokens: 32 } },
    "engine.maxNumBatchedTokens",
    /at least engine\.maxNumSeqs \(64\)/,
  ],
  [
    { engine: { numPages: 4, pageSize: 16, maxModelLen: 128 } },
    "engine.numPages",
    /holds 64 tokens, less than engine\.maxModelLen \(128\); set at least 8/,
  ],
  [{ model: { servedNames: ["a", "b", "a"] } }, "model.servedNames", /names "a" twice/],
  [{ server: { port: 65_536 } }, "server.port", /at most 65535 \(got 65536\)/],
  [{ engine: { threads: 0 } }, "engine.threads", /at least 1 \(got 0\)/],
  [{ model: { path: "" } }, "model.path", /must not be empty/],
] as const satisfies readonly [PartialConfig, string, RegExp][]) {
  test(`${JSON.stringify(partial)} is refused`, () => {
    const error = failure(() => parseConfig(partial));
    assert.equal(error.details.path, path);
    assert.match(error.message, message);
  });
}

test("a check of two keys sees file and overrides together", (t) => {
  const { file } = yamlFile(t, "engine:\n  maxNumSeqs: 512\n");
  assert.match(failure(() => loadConfig({ file })).message, /maxNumBatchedTokens/);
  const config = loadConfig({ file, overrides: { engine: { maxNumBatchedTokens: 512 } } });
  assert.equal(config.engine.maxNumSeqs, 512);
});
