import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { CompileProgress } from "../../../src/model/compile/progress.ts";
import { convertWeights } from "../../../src/model/convert/convert-weights.ts";
import { splitWeights } from "../../../src/model/convert/split-weights.ts";
import { assertFails } from "../assert-fails.ts";
import { safetensors, writeHollowLlama } from "../make-checkpoint.ts";
import { bytesOf, GOLDEN, tensorsOf, weightsPlace } from "./weights-place.ts";

const MIB = 1024 * 1024;
const LLAMA = `${GOLDEN}/llama2`;
const FILES = [1, 2, 3].map((number) => `model-0000${number}-of-00003.safetensors`);

/** A model in three files, and jobs that stop themselves. */
function workplace() {
  const place = weightsPlace();
  const dir = place.at("model");
  mkdirSync(dir);
  cpSync(`${LLAMA}/config.json`, join(dir, "config.json"));
  const map: Record<string, string> = {};
  const all = [...tensorsOf(LLAMA, "model.safetensors")];
  for (const [index, file] of FILES.entries()) {
    const part = all.slice(index * 8, index * 8 + 8);
    for (const [name] of part) map[name] = file;
    const tensors = part.map(([name, { dtype, shape, bytes }]) => [name, { dtype, shape, data: bytes }]);
    writeFileSync(join(dir, file), safetensors(Object.fromEntries(tensors)));
  }
  writeFileSync(join(dir, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
  /** Options that abort the job at its n-th report of written bytes. */
  const stoppedAt = (report: number) => {
    const controller = new AbortController();
    const onProgress = ({ phase }: CompileProgress) => {
      if (phase === "converting" && --report === 0) controller.abort();
    };
    return { signal: controller.signal, onProgress };
  };
  return { ...place, stoppedAt };
}

/** What a folder holds, to compare it with another. */
function contents(dir: string): (readonly [string, Buffer])[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => [
      join(entry.parentPath, entry.name).slice(dir.length),
      bytesOf(entry.parentPath, entry.name),
    ]);
}

const weightsIn = (dir: string) => readdirSync(dir).filter((name) => /\.safetensors(?:\.part)?$/.test(name));

test("a conversion that was stopped goes on behind the files that are finished", async () => {
  using place = workplace();
  const options = { ...place.base("model", "out"), precision: "w8" } as const;
  await assertFails(() => convertWeights({ ...options, ...place.stoppedAt(15) }), "cancelled");
  assert.deepEqual(weightsIn(place.at("out")), FILES.slice(0, 1));
  const { mtimeMs } = statSync(join(place.at("out"), FILES[0]!));
  await assertFails(() => place.convert("out", "x", "fp32"), "invalid_model", "unfinished", "run it again");
  await convertWeights(options);
  assert.equal(statSync(join(place.at("out"), FILES[0]!)).mtimeMs, mtimeMs);
  await place.convert("model", "straight", "w8");
  assert.deepEqual(contents(place.at("out")), contents(place.at("straight")));
});

test("a split that was stopped goes on, each rank by itself", async () => {
  using place = workplace();
  const options = { ...place.base("model", "out"), strategy: { size: 2 } } as const;
  await assertFails(() => splitWeights({ ...options, ...place.stoppedAt(12) }), "cancelled");
  const rank = join(place.at("out"), "rank-00001-of-00002");
  assert.deepEqual(weightsIn(rank), FILES.slice(0, 1));
  truncateSync(join(rank, FILES[0]!), 100);
  await assertFails(() => place.merge("out", "x"), "invalid_model", "rank-00000", "unfinished");
  await splitWeights(options);
  await place.split("model", "straight", 2);
  assert.deepEqual(contents(place.at("out")), contents(place.at("straight")));
});

test("a finished job is recognised, and what was damaged in it since is redone", async () => {
  using place = workplace();
  assert.equal((await place.convert("model", "out", "bf16")).wasWritten, true);
  assert.equal((await place.convert("model", "out", "bf16")).wasWritten, false);
  const before = contents(place.at("out"));
  appendFileSync(join(place.at("out"), FILES[1]!), "x");
  assert.equal((await place.convert("model", "out", "bf16")).wasWritten, true);
  assert.deepEqual(contents(place.at("out")), before);
});

test("a folder with other work, or anything else in it, is left alone", async () => {
  using place = workplace();
  await place.convert("model", "out", "bf16");
  const before = contents(place.at("out"));
  await assertFails(() => place.convert("model", "out", "w8"), "file_error", "holds bf16 weights", "not w8");
  await assertFails(() => place.convert(`${GOLDEN}/phi3`, "out", "bf16"), "file_error", "another folder");
  await assertFails(() => place.convert("out", "out", "fp16"), "file_error", "holds bf16 weights");
  await assertFails(() => place.split("model", "out", 2), "file_error", "not empty");
  assert.deepEqual(contents(place.at("out")), before);
  await place.split("model", "two", 2);
  await assertFails(() => place.split("model", "two", 4), "file_error", "another strategy");
  await assertFails(() => place.split(`${GOLDEN}/internlm`, "two", 2), "file_error", "another");
  await assertFails(() => place.convert("model", "model", "bf16"), "file_error", "not empty");
});

test("a folder that cannot be made is named", async () => {
  using place = workplace();
  const run = () => place.convert("model", join(place.at("model"), "config.json", "out"), "bf16");
  await assertFails(run, "file_error", "Cannot write weights to", "config.json");
});

test("a full disk is told, and the job goes on when there is room", {
  skip: !existsSync("/dev/full"),
}, async () => {
  using place = workplace();
  const options = { ...place.base("model", "out"), precision: "bf16" } as const;
  await assertFails(() => convertWeights({ ...options, ...place.stoppedAt(10) }), "cancelled");
  symlinkSync("/dev/full", join(place.at("out"), `${FILES[1]}.part`));
  await assertFails(() => convertWeights(options), "file_error", "ENOSPC", "Make room", "goes on");
  await convertWeights(options);
  await place.convert("model", "straight", "bf16");
  assert.deepEqual(contents(place.at("out")), contents(place.at("straight")));
});

test("two at once in one folder: one of them is told who works there; a dead one's lock is taken over", async () => {
  using place = workplace();
  const both = [place.convert("model", "out", "bf16"), place.convert("model", "out", "bf16")];
  const failed = (await Promise.allSettled(both)).filter(({ status }) => status === "rejected");
  assert.equal(failed.length, 1);
  const lock = join(place.at("out"), "troupe-weights.lock");
  assert.equal(existsSync(lock), false);
  const { child, ended } = startChild("split", "no-such-model", place.at("x"), place.cacheDir);
  await ended;
  writeFileSync(lock, `${child.pid} ${hostname()}\n`);
  assert.equal((await place.convert("model", "out", "bf16")).wasWritten, false);
  writeFileSync(lock, "1 elsewhere\n");
  const run = () => place.convert("model", "out", "bf16");
  await assertFails(run, "file_error", "Process 1 on elsewhere", "troupe-weights.lock");
});

function startChild(job: string, modelDir: string, outputDir: string, cacheDir: string) {
  const script = fileURLToPath(new URL("weights-child.ts", import.meta.url));
  const child = spawn(process.execPath, [script, job, modelDir, outputDir, cacheDir], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, lines, ended: once(child, "close") };
}

test("a process that is killed leaves nothing that counts as finished", async () => {
  using place = workplace();
  await writeHollowLlama(place.at("model"), { hidden: 256, mlp: 1024, layers: 4, heads: 8, vocab: 20480 });
  const hollow = place.at("hollow");
  mkdirSync(hollow);
  for (const file of ["config.json", "model.safetensors"]) {
    cpSync(join(place.at("model"), file), join(hollow, file));
  }
  const { child, lines, ended } = startChild("w8", hollow, place.at("out"), place.cacheDir);
  assert.equal((await lines.next()).value, "progress");
  child.kill("SIGKILL");
  assert.equal((await ended)[1], "SIGKILL");
  assert.deepEqual(weightsIn(place.at("out")), ["model.safetensors.part"]);
  await place.convert("hollow", "out", "w8");
  assert.deepEqual(weightsIn(place.at("out")), ["model.safetensors"]);
});

/** For the buffers of a slab, the heap and the code; far less than twice the largest tensor of any large model. */
const FIXED_BYTES = 96 * MIB;

test("converting, splitting and merging take memory by the slab, not by the model", async () => {
  using place = weightsPlace();
  const dir = place.at("hollow");
  mkdirSync(dir);
  const largest = await writeHollowLlama(dir, { hidden: 768, mlp: 3072, layers: 8, heads: 8, vocab: 20480 });
  assert.ok(statSync(join(dir, "model.safetensors")).size > 5 * largest);
  for (const [job, from, to] of [
    ["w8", "hollow", "w8"],
    ["split", "hollow", "four"],
    ["merge", "four", "whole"],
  ] as const) {
    const { lines, ended } = startChild(job, place.at(from), place.at(to), place.cacheDir);
    assert.equal((await lines.next()).value, "progress");
    const grown = Number(String((await lines.next()).value).split(" ")[1]);
    assert.deepEqual(await ended, [0, null]);
    assert.ok(grown < 2 * largest + FIXED_BYTES, `${job} grew by ${grown / MIB} MiB`);
  }
});
