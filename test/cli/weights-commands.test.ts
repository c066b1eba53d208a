import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createServices } from "../../src/cli/real-services.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import type { WeightsRequest } from "../../src/cli/services.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { bytesOf, GOLDEN, weightsPlace } from "../model/convert/weights-place.ts";
import { fakeRun } from "./fake-context.ts";

const LLAMA = `${GOLDEN}/llama2`;
const FILE = "model.safetensors";

/** Runs a command for real, with a cache of its own. */
async function troupe(place: { readonly cacheDir: string }, ...args: string[]) {
  const run = fakeRun({ args: [...args, "--cache-dir", place.cacheDir], services: createServices() });
  return { code: await runCli(run.context), out: run.out(), err: run.err() };
}

test("convert, split, resplit and merge lead back to the folder they began with", async () => {
  using place = weightsPlace();
  const [half, two, four, whole] = ["half", "two", "four", "whole"].map(place.at) as [
    string,
    string,
    string,
    string,
  ];
  const converted = await troupe(place, "convert", "-m", LLAMA, "--precision", "bf16", "-o", half);
  assert.deepEqual([converted.code, converted.out.startsWith(`Written: ${half} (`)], [0, true]);
  assert.match(converted.err, /Converting to bf16: llama2: \d+% /);
  assert.equal((await troupe(place, "split", "-m", half, "--tp", "2", "-o", two)).code, 0);
  assert.equal((await troupe(place, "resplit", "-m", two, "--tp", "4", "-o", four)).code, 0);
  assert.equal((await troupe(place, "merge", "-m", four, "-o", whole)).code, 0);
  assert.deepEqual(bytesOf(whole, FILE), bytesOf(half, FILE));
  const again = await troupe(place, "merge", "-m", four, "-o", whole);
  assert.match(again.out, /^Already there, checksums intact: /);
});

test("a strategy is printed, and followed when it is given back", async () => {
  using place = weightsPlace();
  const run = fakeRun({
    args: ["split", "--model", LLAMA, "--tp", "2", "--only-save-strategy"],
    services: createServices(),
  });
  assert.equal(await runCli(run.context), 0);
  assert.equal(JSON.parse(run.out()).tp, 2);
  await troupe(place, "split", "-m", LLAMA, "--tp", "2", "-o", place.at("two"));
  assert.equal(readFileSync(join(place.at("two"), "strategy.json"), "utf8"), run.out());
  const strategy = join(place.at("two"), "strategy.json");
  await troupe(place, "split", "-m", LLAMA, "--strategy", strategy, "-o", place.at("same"));
  assert.deepEqual(readdirSync(place.at("same")), readdirSync(place.at("two")));
});

for (const [args, told] of [
  [["convert", "--model", "a", "--output", "b"], "convert needs --precision"],
  [["merge", "--model", "a"], "merge needs --output"],
  [["merge", "--output", "a"], "merge needs --model"],
  [["split", "--model", "a", "--output", "b"], "split needs either --tp <n> or --strategy <file>"],
  [["split", "--model", "a", "--output", "b", "--tp", "0"], "--tp is 0; it must be a whole number"],
  [["split", "--strategy", "x", "--model", "a", "--only-save-strategy"], "needs --tp"],
  [["resplit", "--model", LLAMA, "--output", "b", "--tp", "2"], "holds no shards; troupe split"],
  [["split", "--model", LLAMA, "--output", "b", "--tp", "3"], "The nearest number that works is 2."],
] as const) {
  test(`${args.join(" ")}: refused as a mistake in what was typed`, async () => {
    const run = fakeRun({ args, services: createServices() });
    assert.equal(await runCli(run.context), 2);
    assert.ok(run.err().includes(told), run.err());
  });
}

test("a folder that cannot be merged is a failure in one line", async () => {
  using place = weightsPlace();
  const { code, err } = await troupe(place, "merge", "-m", LLAMA, "-o", place.at("out"));
  assert.equal(code, 1);
  assert.match(err, /^troupe: .*llama2 holds no shards[^\n]*\n$/);
});

test("a signal stops the work and says that it can go on", async () => {
  const writeWeights = ({ signal }: WeightsRequest) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new TroupeError("cancelled", "Cancelled.")));
      run.signal("SIGINT");
    });
  const run = fakeRun({
    args: ["split", "--model", "a", "--tp", "2", "--output", "b"],
    services: { writeWeights },
  });
  assert.equal(await runCli(run.context), 130);
  assert.equal(run.err(), "Stopped. The same command goes on behind the files that are finished.\n");
});

test("a merge that cannot restore the headers says so", async () => {
  const writeWeights = async ({ outputDir }: WeightsRequest) => ({
    folder: outputDir,
    weightBytes: 1024,
    wasWritten: true,
    isIdentical: false,
  });
  const run = fakeRun({ args: ["merge", "--model", "a", "--output", "b"], services: { writeWeights } });
  assert.equal(await runCli(run.context), 0);
  assert.match(run.out(), /headers of files are laid out anew/);
});
