/** The calls of MindSpore Lite's inference and of br-vllm-serving, on the embedded model. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { embeddedModelPath } from "../../src/config/embedded-model.ts";
import { InferConfig, InferTask, LLM, pipeline, TextIteratorStreamer } from "../../src/index.ts";

const MODEL = embeddedModelPath();
const PROMPT = "Once upon a time";

function folderOf(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "troupe-offline-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const infer = (path: string): string => `infer:\n  prefill_model_path: "${path}"\n  infer_seq_length: 128\n`;

test("a model by name, by folder and by InferConfig continues texts alike; the input stands in front", async (t) => {
  const configDir = folderOf(t, { "understudy/run_understudy_3m.yaml": infer(MODEL) });
  await using byName = await pipeline("text_generation", { model: "understudy_3m", configDir });
  const texts = await byName([PROMPT, "The fox"], { maxNewTokens: 8 });
  assert.ok(texts[0]?.startsWith(PROMPT) && texts[0].length > PROMPT.length);
  assert.ok(texts[1]?.startsWith("The fox"));
  await using byFolder = await pipeline("text_generation", {
    model: MODEL,
    backend: "ms",
    inferSeqLength: 128,
  });
  assert.deepEqual(await byFolder([PROMPT, "The fox"], { maxNewTokens: 8 }), texts);
  const config = new InferConfig({ prefillModelPath: MODEL, inferSeqLength: 128, deviceId: 0 });
  assert.deepEqual(config.noEffect, ["deviceId"]);
  await using task = await InferTask.getInferTask("text_generation", config);
  assert.deepEqual(await task.infer(PROMPT, { maxNewTokens: 8 }), texts.slice(0, 1));
});

test("every option of a call acts, and a streamer is told the same text", async () => {
  await using lite = await pipeline("text_generation", { model: MODEL, inferSeqLength: 64 });
  const options = { doSample: true, topK: 50, temperature: 1.5, seed: 5, maxNewTokens: 12 };
  const [drawn] = await lite(PROMPT, options);
  assert.deepEqual(await lite(PROMPT, options), [drawn]);
  assert.notDeepEqual(await lite(PROMPT, { ...options, seed: 6 }), [drawn]);
  const { ids } = await lite.engine.tokenize({ kind: "text", text: PROMPT, addSpecialTokens: false });
  const [short] = await lite(PROMPT, { maxLength: ids.length + 1 });
  const [long] = await lite(PROMPT, { maxLength: ids.length + 4 });
  assert.ok(long!.startsWith(short!) && long!.length > short!.length);
  for (const skipPrompt of [true, false]) {
    const streamer = new TextIteratorStreamer({ skipPrompt });
    const whole = lite(PROMPT, { ...options, streamer });
    const pieces = await Array.fromAsync(streamer);
    assert.equal(`${skipPrompt ? PROMPT : ""}${pieces.join("")}`, (await whole)[0]);
  }
  const twice = lite([PROMPT, PROMPT], { streamer: new TextIteratorStreamer() });
  await assert.rejects(twice, { code: "invalid_request", message: /one input at a time \(got 2\)/ });
  await assert.rejects(lite(PROMPT, { topP: 3, doSample: true }), {
    code: "invalid_request",
    message: /topP/,
  });
  const full = lite(PROMPT, { maxLength: 1 });
  await assert.rejects(full, { code: "prompt_too_long", message: /maxLength is 1/ });
});

test("an end token of the call ends the answer", async () => {
  await using lite = await pipeline("text_generation", { model: MODEL, inferSeqLength: 64 });
  const [whole] = await lite(PROMPT, { maxNewTokens: 6 });
  const { ids } = await lite.engine.tokenize({ kind: "text", text: whole!, addSpecialTokens: false });
  const [cut] = await lite(PROMPT, { maxNewTokens: 6, eosTokenId: ids.at(-1)! });
  assert.ok(cut!.length < whole!.length && whole!.startsWith(cut!));
});

test("what cannot be served is refused before an engine starts", async (t) => {
  const folder = folderOf(t, {
    "two/a.yaml": infer(""),
    "two/b.yaml": infer(""),
    "two/prefill.onnx": "",
    "one.mindir": "",
    "run_known_7b.yaml": infer("gone.onnx"),
  });
  const refused = [
    [
      { model: "bloom_560m", configDir: folder },
      "invalid_config",
      /"bloom_560m" is neither.*Known names: known_7b\./,
    ],
    [{ model: "known_7b", configDir: folder }, "file_error", /gone\.onnx does not exist/],
    [
      { model: join(folder, "two") },
      "invalid_config",
      /2 YAML and 1 ONNX files; it must have exactly one YAML/,
    ],
    [
      { model: join(folder, "one.mindir") },
      "unsupported_model",
      /only its own runtime reads; export the graph to ONNX/,
    ],
    [{ model: [join(folder, "a.onnx"), "b.onnx"] }, "file_error", /a\.onnx does not exist/],
    [{ model: MODEL, inferSeqLength: 1 }, "invalid_config", /"inferSeqLength"/],
    [{ model: MODEL, backend: "mindie" as "ms" }, "unsupported", /no backend "mindie"/],
  ] as const;
  for (const [options, code, message] of refused)
    await assert.rejects(pipeline("text_generation", options), { code, message });
  await assert.rejects(pipeline("text_generaton", { model: MODEL }), {
    code: "unsupported",
    message: /Did you mean "text_generation"/,
  });
  assert.deepEqual(
    [InferTask.checkTaskValid("text_generation"), InferTask.checkTaskValid("toString")],
    [true, false],
  );
  assert.deepEqual(InferTask.supportList(), ["text_generation"]);
});

test("LLM serves a br-vllm-serving configuration offline, with its names of parameters", async () => {
  await using llm = new LLM({ configPath: "configs/br-vllm-serving.json" });
  assert.ok(llm.noEffect.includes("input_name"));
  const prompts = ["Once upon a time", "The fox", [5, 6, 7]];
  const outputs = await llm.generate(prompts, { temperature: 0, max_tokens: 6, stop_tokens_ids: [2] });
  assert.deepEqual(outputs.map(({ prompt_token_ids }) => prompt_token_ids).at(-1), [5, 6, 7]);
  assert.ok(outputs.every(({ outputs: [first] }) => first!.token_ids.length <= 6 && first!.text !== ""));
  assert.equal(outputs[0]?.prompt?.endsWith("Once upon a time"), true);
  const many = await llm.generate("Once", { n: 3, temperature: 1, seed: 1, max_tokens: 4 });
  assert.deepEqual(
    many[0]?.outputs.map(({ index }) => index),
    [0, 1, 2],
  );
  await assert.rejects(llm.generate("a", { n: 9, temperature: 1 }), {
    code: "invalid_request",
    message: /9 answers.*at most 8/,
  });
  await assert.rejects(llm.generate("a", { top_p: 2 }), { code: "invalid_request", message: /top_p/ });
  const capped = await llm.generate("Once", { max_tokens: 400, temperature: 0, ignore_eos: true });
  assert.equal(capped[0]?.outputs[0]?.token_ids.length, 256);
});
