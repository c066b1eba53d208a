import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { configReference } from "../../scripts/config-reference.ts";
import { defaultConfig } from "../../src/config/defaults.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { configKeys } from "../../src/config/schema.ts";

const FOLDER = fileURLToPath(new URL("../../configs", import.meta.url));
const understudy = join(FOLDER, "understudy.yaml");
const reference = configReference(readFileSync(understudy, "utf8"));

const isAccepted = (path: string, value: unknown): boolean => {
  const [section, key] = path.split(".") as [string, string];
  return configKeys().safeParse({ [section]: { [key]: value } }).success;
};

test("configs/understudy.yaml is the default configuration", () => {
  assert.deepEqual(loadConfig({ file: understudy }), defaultConfig());
});

test("every key of the schema stands in configs/understudy.yaml, in its order, and no other", () => {
  const keys = Object.entries(configKeys().shape).flatMap(([section, part]) =>
    Object.keys(part.unwrap().shape).map((key) => `${section}.${key}`),
  );
  assert.deepEqual(
    reference.map((key) => key.path),
    keys,
  );
});

for (const { path, meaning, range, defaultText, value } of reference) {
  test(`${path} has a comment whose default and range are true`, () => {
    assert.notEqual(meaning, "", `no comment "# Meaning. [range; default: value]" above ${path}`);
    if (path !== "model.path") assert.equal(defaultText, value);
    const limits = /^(\d+) to (\d+)/.exec(range);
    if (limits !== null) {
      const [low, high] = [Number(limits[1]), Number(limits[2])];
      const accepted = [low - 1, low, high, high + 1].map((number) => isAccepted(path, number));
      assert.deepEqual(accepted, [false, true, true, false]);
    }
    const choices = /^(\w+(?:, \w+)* or \w+)$/.exec(range)?.[1]?.split(/, | or /) ?? [];
    for (const choice of choices) {
      const parsed = /^(?:true|false|null|\d+)$/.test(choice) ? JSON.parse(choice) : choice;
      assert.ok(isAccepted(path, parsed), `${choice} is not accepted`);
    }
    assert.equal(isAccepted(path, null), range.includes("null"));
  });
}

for (const file of readdirSync(FOLDER)) {
  test(`configs/${file} loads`, () => {
    assert.doesNotThrow(() => loadConfig({ file: join(FOLDER, file) }));
  });
}
