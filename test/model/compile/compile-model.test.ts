import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type CompileOptions, compileModel } from "../../../src/model/compile/compile-model.ts";
import type { CompileProgress } from "../../../src/model/compile/progress.ts";
import { PRECISIONS } from "../../../src/model/compiled-model.ts";
import { assertFails } from "../assert-fails.ts";
import { temporaryDir, writeHollowLlama, writeRandomLlama } from "../make-checkpoint.ts";
import { openChain } from "./segment-chain.ts";

const SMALL = { hidden: 32, mlp: 48, layers: 2, heads: 2, vocab: 40 };
const MIB = 1024 * 1024;

/** A model folder and a cache folder. */
function workplace(): Disposable & { modelDir: string; cacheDir: string; options: CompileOptions } {
  const dir = temporaryDir();
  const modelDir = join(dir.path, "model");
  const cacheDir = join(dir.path, "cache");
  mkdirSync(modelDir);
  writeRandomLlama(modelDir, SMALL);
  const options = { modelDir, cacheDir, precision: "w8" } as const;
  return { modelDir, cacheDir, options, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

/** Folders of models, finished or not. */
function foldersOf(cacheDir: string): string[] {
  return readdirSync(cacheDir).filter((name) => name !== "hashes");
}

/** So long ago that its content may be remembered. */
function age(file: string): void {
  const longAgo = new Date(Date.now() - 3_600_000);
  utimesSync(file, longAgo, longAgo);
}

function startChild(modelDir: string, precision: string, cacheDir: string) {
  const script = fileURLToPath(new URL("compile-child.ts", import.meta.url));
  const child = spawn(process.execPath, [script, modelDir, precision, cacheDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return {
    child,
    lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](),
    ended: once(child, "close"),
  };
}

test("a compiled model is described by what lies beside it", async () => {
  using place = workplace();
  const { dir, model } = await compileModel(place.options);
  assert.deepEqual(model.segments, ["layers-000.onnx"]);
  assert.deepEqual(readdirSync(dir).sort(), [
    "compiled.json",
    "layers-000.f16.onnx",
    "layers-000.f32.onnx",
    "layers-000.int8.onnx",
    "layers-000.weights",
  ]);
  assert.equal(model.attention.length, 2);
  const weights = readdirSync(dir).filter((name) => name.endsWith(".weights"));
  const bytes = weights.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
  assert.equal(model.weightBytes, bytes);
  assert.deepEqual(foldersOf(place.cacheDir).length, 1);
});

test("a model is cut into graphs by their weights, or at attention", async () => {
  using place = workplace();
  const segments = async (options: Partial<CompileOptions>) =>
    (await compileModel({ ...place.options, ...options })).model.segments;
  assert.deepEqual(await segments({ maxStackBytes: 1 }), ["layers-000.onnx", "layers-001.onnx"]);
  assert.deepEqual(await segments({ layout: "blocks" }), ["first.onnx", "block-001.onnx", "last.onnx"]);
});

test("the second time, no weights are read", async () => {
  using place = workplace();
  age(join(place.modelDir, "model.safetensors"));
  const first = await compileModel(place.options);
  const reports: CompileProgress[] = [];
  const second = await compileModel({ ...place.options, onProgress: (report) => reports.push(report) });
  assert.deepEqual(second, first);
  assert.deepEqual(reports, []);
});

test("the same content at another place is the same model", async () => {
  using place = workplace();
  using other = workplace();
  const first = await compileModel(place.options);
  const second = await compileModel({ ...place.options, modelDir: other.modelDir });
  assert.equal(second.dir, first.dir);
});

test("another precision, other settings and other weights are other models", async () => {
  using place = workplace();
  const config = join(place.modelDir, "config.json");
  const dirs = [(await compileModel(place.options)).dir];
  dirs.push((await compileModel({ ...place.options, precision: "w4" })).dir);
  writeFileSync(config, readFileSync(config, "utf8").replace("0.00001", "0.001"));
  dirs.push((await compileModel(place.options)).dir);
  const weights = join(place.modelDir, "model.safetensors");
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1] = bytes.at(-1)! ^ 0x80;
  writeFileSync(weights, bytes);
  dirs.push((await compileModel(place.options)).dir);
  assert.equal(new Set(dirs).size, 4);
});

test("weights that changed behind a remembered hash are noticed", async () => {
  using place = workplace();
  const weights = join(place.modelDir, "model.safetensors");
  age(weights);
  const before = await compileModel(place.options);
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1] = bytes.at(-1)! ^ 0x80;
  writeFileSync(weights, bytes);
  age(weights); // same size, inode and modification time as before
  assert.notEqual((await compileModel(place.options)).dir, before.dir);
});

test("a compiled model that lost a file is compiled again", async () => {
  using place = workplace();
  const { dir } = await compileModel(place.options);
  rmSync(join(dir, "layers-000.int8.onnx"));
  assert.equal((await compileModel(place.options)).dir, dir);
  assert.ok(statSync(join(dir, "layers-000.int8.onnx")).size > 0);
});

test("progress counts the checkpoint's bytes to the end, once to hash and once to compile", async () => {
  using place = workplace();
  const reports: CompileProgress[] = [];
  await compileModel({ ...place.options, onProgress: (report) => reports.push(report) });
  for (const phase of ["hashing", "compiling"]) {
    const last = reports.filter((report) => report.phase === phase).at(-1);
    assert.ok(last !== undefined && last.doneBytes === last.totalBytes && last.totalBytes > 0, phase);
  }
  assert.ok(reports.every((report) => report.doneBytes <= report.totalBytes));
});

test("a cancelled compilation leaves nothing behind", async () => {
  using place = workplace();
  const controller = new AbortController();
  const onProgress = ({ label }: CompileProgress) => label === "layers-000.f32" && controller.abort();
  const run = () => compileModel({ ...place.options, signal: controller.signal, onProgress });
  await assertFails(run, "cancelled", "cancelled");
  assert.deepEqual(foldersOf(place.cacheDir), []);
});

test("a compilation that is killed leaves nothing that counts, and the next one clears up", async () => {
  using place = workplace();
  await writeHollowLlama(place.modelDir, { hidden: 512, mlp: 2048, layers: 40, heads: 8, vocab: 4096 });
  const { child, lines, ended } = startChild(place.modelDir, "fp32", place.cacheDir);
  assert.equal((await lines.next()).value, "progress");
  child.kill("SIGKILL");
  assert.equal((await ended)[1], "SIGKILL");
  const left = foldersOf(place.cacheDir);
  assert.ok(left.length === 1 && left[0]!.startsWith(".compiling-"), left.join());
  writeRandomLlama(place.modelDir, SMALL);
  const { dir, model } = await compileModel({ ...place.options, layout: "blocks" });
  assert.deepEqual(foldersOf(place.cacheDir), [dir.slice(place.cacheDir.length + 1)]);
  openChain({ dir, model })[Symbol.dispose]();
});

test("a folder that another compilation is filling is left alone", async () => {
  using place = workplace();
  let during: string[] = [];
  const onProgress = ({ phase }: CompileProgress) => {
    if (phase === "compiling" && during.length === 0) during = foldersOf(place.cacheDir);
  };
  const slow = compileModel({ ...place.options, onProgress });
  await Promise.all([slow, compileModel({ ...place.options, precision: "w4" })]);
  assert.ok(during.length > 0);
  assert.equal(foldersOf(place.cacheDir).filter((name) => name.startsWith(".")).length, 0);
});

test("two processes that compile the same model both end well", async () => {
  using place = workplace();
  const children = [1, 2].map(() => startChild(place.modelDir, "w8", place.cacheDir));
  for (const { ended } of children) assert.deepEqual(await ended, [0, null]);
  const { dir } = await compileModel(place.options);
  assert.deepEqual(foldersOf(place.cacheDir), [dir.slice(place.cacheDir.length + 1)]);
});

test("a cache folder that cannot be written is named", async () => {
  using place = workplace();
  const cacheDir = join(place.modelDir, "config.json", "cache");
  await assertFails(
    () => compileModel({ ...place.options, cacheDir }),
    "file_error",
    cacheDir,
    "another folder",
  );
});

test("a weight that is not a number stops the compilation", async () => {
  using place = workplace();
  const weights = join(place.modelDir, "model.safetensors");
  const bytes = readFileSync(weights);
  bytes.fill(0xff, bytes.length - 4);
  writeFileSync(weights, bytes);
  await assertFails(
    () => compileModel(place.options),
    "invalid_model",
    "not a number",
    "model.layers.1.mlp.down_proj.weight",
  );
  assert.deepEqual(foldersOf(place.cacheDir), []);
});

/** For the buffers of a slab, the heap and the code; far less than twice the largest tensor of any large model. */
const FIXED_BYTES = 96 * MIB;

for (const precision of PRECISIONS) {
  test(`compiling to ${precision} takes memory by the slab, not by the model`, async () => {
    using place = workplace();
    const sizes = { hidden: 768, mlp: 3072, layers: 8, heads: 8, vocab: 20480 };
    const largest = await writeHollowLlama(place.modelDir, sizes);
    const total = statSync(join(place.modelDir, "model.safetensors")).size;
    assert.ok(total > 5 * largest);
    const { lines, ended } = startChild(place.modelDir, precision, place.cacheDir);
    assert.equal((await lines.next()).value, "progress");
    const grown = Number(String((await lines.next()).value).split(" ")[1]);
    assert.deepEqual(await ended, [0, null]);
    assert.ok(
      grown < 2 * largest + FIXED_BYTES,
      `grew by ${grown / MIB} MiB; largest tensor ${largest / MIB} MiB`,
    );
  });
}
