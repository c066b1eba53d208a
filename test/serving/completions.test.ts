import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { startServer } from "./test-server.ts";

test("a completion is answered exactly as OpenAI does", async (t) => {
  const { engine, post } = await startServer(t);
  const response = await post("/v1/completions", { model: "understudy", prompt: "Hi" });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
  assert.deepEqual(await response.json(), {
    id: "cmpl-id1",
    object: "text_completion",
    created: 1_750_000_000,
    model: "understudy",
    choices: [{ text: "Hello world!", index: 0, logprobs: null, finish_reason: "stop", stop_reason: null }],
    usage: {
      prompt_tokens: 2,
      completion_tokens: 3,
      total_tokens: 5,
      prompt_tokens_details: { cached_tokens: 1 },
    },
  });
  assert.equal(engine.requests[0]?.params.maxTokens, 16);
  assert.deepEqual(engine.requests[0]?.prompt, { kind: "text", text: "Hi", addSpecialTokens: true });
});

test("a streamed completion is this, byte for byte", async (t) => {
  const { post } = await startServer(t);
  const response = await post("/v1/completions", {
    prompt: "Hi",
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 2,
  });
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.equal(response.headers.get("cache-control"), "no-cache, no-transform");
  assert.equal(response.headers.get("x-request-id"), "id0");
  const head = '"id":"cmpl-id1","object":"text_completion","created":1750000000,"model":"understudy"';
  assert.equal(
    await response.text(),
    [
      `data: {${head},"choices":[{"text":"Hello","index":0,"logprobs":null,"finish_reason":null}],"usage":null}`,
      `data: {${head},"choices":[{"text":" world","index":0,"logprobs":null,"finish_reason":null}],"usage":null}`,
      `data: {${head},"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length","stop_reason":null}],"usage":null}`,
      `data: {${head},"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":1}}}`,
      "data: [DONE]",
      "",
    ].join("\n\n"),
  );
});

test("several prompts run at once and their choices are numbered prompt * n + answer", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = ({ prompt }) => ({ tokens: [prompt.kind === "text" ? prompt.text : "?"] });
  engine.hold();
  const pending = post("/v1/completions", { prompt: ["a", "b", "c"], n: 2, temperature: 1 });
  await engine.until(({ numLive }) => numLive === 3);
  engine.release();
  const { choices, usage } = (await (await pending).json()) as {
    choices: { index: number; text: string }[];
    usage: { prompt_tokens: number; completion_tokens: number };
  };
  assert.deepEqual(
    choices.map(({ index, text }) => [index, text]),
    [
      [0, "a"],
      [1, "a"],
      [2, "b"],
      [3, "b"],
      [4, "c"],
      [5, "c"],
    ],
  );
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [3, 6]);
});

test("streams of several prompts carry the same indices", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = ({ prompt }) => ({ tokens: prompt.kind === "ids" ? [String(prompt.ids)] : [] });
  const response = await post("/v1/completions", { prompt: [[1], [2, 3]], n: 2, stream: true });
  const texts = new Map<number, string>();
  for (const chunk of await chunksOf<{ choices: { index: number; text: string }[] }>(response)) {
    for (const { index, text } of chunk.choices) texts.set(index, (texts.get(index) ?? "") + text);
  }
  assert.deepEqual(
    [...texts].sort(([a], [b]) => a - b),
    [
      [0, "1"],
      [1, "1"],
      [2, "2,3"],
      [3, "2,3"],
    ],
  );
});

test("one refused prompt refuses the request and cancels its other prompts", async (t) => {
  const { engine, post } = await startServer(t);
  engine.hold();
  const refusal = new TroupeError("prompt_too_long", "Too long.");
  engine.script = ({ prompt }) =>
    prompt.kind === "text" && prompt.text === "bad" ? { refuse: refusal } : {};
  const response = await post("/v1/completions", { prompt: ["good", "bad"], stream: true });
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), {
    error: {
      message: "Too long.",
      type: "invalid_request_error",
      param: null,
      code: "context_length_exceeded",
    },
  });
  await engine.until(({ numLive }) => numLive === 0);
});

test("echo puts the prompt and its log-probabilities first", async (t) => {
  const { post } = await startServer(t);
  const response = await post("/v1/completions", { prompt: "a😀", echo: true, logprobs: 1, max_tokens: 1 });
  const { choices } = (await response.json()) as { choices: { text: string; logprobs: unknown }[] };
  assert.equal(choices[0]?.text, "a😀Hello");
  assert.deepEqual(choices[0]?.logprobs, {
    tokens: ["a", "😀", "Hello"],
    token_logprobs: [null, -0.5, -0.5],
    top_logprobs: [null, { "😀": -0.5 }, { Hello: -0.5 }],
    text_offset: [0, 1, 2],
  });
});

test("echo with max_tokens 0 scores the prompt and shows nothing else", async (t) => {
  const { engine, post } = await startServer(t);
  const body = { prompt: "abc", echo: true, logprobs: 0, max_tokens: 0 };
  const whole = (await (await post("/v1/completions", body)).json()) as {
    choices: { text: string; finish_reason: string; logprobs: { tokens: string[] } }[];
    usage: { completion_tokens: number };
  };
  assert.equal(engine.requests[0]?.params.maxTokens, 1);
  assert.equal(whole.choices[0]?.text, "abc");
  assert.deepEqual(whole.choices[0]?.logprobs.tokens, ["a", "b", "c"]);
  assert.equal(whole.choices[0]?.finish_reason, "length");
  assert.equal(whole.usage.completion_tokens, 0);
  const streamed = await chunksOf<{ choices: { text: string }[] }>(
    await post("/v1/completions", { ...body, stream: true }),
  );
  assert.equal(streamed.flatMap((chunk) => chunk.choices.map((choice) => choice.text)).join(""), "abc");
});

test("streamed log-probabilities continue their offsets", async (t) => {
  const { post } = await startServer(t);
  const chunks = await chunksOf<{
    choices: { logprobs: { text_offset: number[]; tokens: string[] } | null }[];
  }>(await post("/v1/completions", { prompt: "x", logprobs: 2, stream: true }));
  const shapes = chunks.flatMap((chunk) => chunk.choices.flatMap((choice) => choice.logprobs ?? []));
  assert.deepEqual(
    shapes.flatMap((shape) => shape.text_offset),
    [0, 5, 11],
  );
});

test("return_token_ids and prompt_logprobs add vLLM's fields", async (t) => {
  const { post } = await startServer(t);
  const response = await post("/v1/completions", {
    prompt: [72, 105],
    max_tokens: 1,
    return_token_ids: true,
    prompt_logprobs: 1,
  });
  const { choices } = (await response.json()) as { choices: Record<string, unknown>[] };
  assert.deepEqual(choices[0]?.prompt_token_ids, [72, 105]);
  assert.deepEqual(choices[0]?.token_ids, ["H".charCodeAt(0)]);
  assert.deepEqual(choices[0]?.prompt_logprobs, [
    null,
    { 105: { logprob: -0.5, rank: 1, decoded_token: "i" } },
  ]);
  const chunks = await chunksOf<{ choices: Record<string, unknown>[] }>(
    await post("/v1/completions", { prompt: [72], max_tokens: 1, return_token_ids: true, stream: true }),
  );
  assert.deepEqual(chunks[0]?.choices[0]?.prompt_token_ids, [72]);
  assert.deepEqual(chunks[1]?.choices[0]?.token_ids, ["H".charCodeAt(0)]);
});

test("every sampling field reaches the engine", async (t) => {
  const { engine, post } = await startServer(t, {});
  const response = await post("/v1/completions", {
    prompt: "x",
    temperature: 0.5,
    top_k: -1,
    top_p: 0.9,
    min_p: 0.1,
    typical_p: 0.8,
    repetition_penalty: 1.1,
    presence_penalty: 0.2,
    frequency_penalty: 0.3,
    logit_bias: { "7": -100 },
    seed: 42,
    n: 2,
    best_of: 3,
    stop: "END",
    stop_token_ids: [9],
    include_stop_str_in_output: true,
    ignore_eos: true,
    min_tokens: 1,
    max_tokens: 5,
    logprobs: 3,
    prompt_logprobs: 2,
    skip_special_tokens: false,
    add_special_tokens: false,
    user: "someone",
  });
  assert.equal(response.status, 200);
  assert.deepEqual(engine.requests[0]?.params, {
    temperature: 0.5,
    topK: 0,
    topP: 0.9,
    minP: 0.1,
    typicalP: 0.8,
    repetitionPenalty: 1.1,
    presencePenalty: 0.2,
    frequencyPenalty: 0.3,
    logitBias: new Map([[7, -100]]),
    seed: 42,
    n: 2,
    bestOf: 3,
    stop: ["END"],
    stopTokenIds: [9],
    includeStopStrInOutput: true,
    ignoreEos: true,
    minTokens: 1,
    maxTokens: 5,
    logprobs: 3,
    promptLogprobs: 2,
    skipSpecialTokens: false,
    grammar: null,
  });
  assert.deepEqual(engine.requests[0]?.prompt, { kind: "text", text: "x", addSpecialTokens: false });
});

/** The JSON of every event but the last, which must be [DONE]. */
async function chunksOf<T>(response: Response): Promise<T[]> {
  const frames = (await response.text()).split("\n\n");
  assert.deepEqual(frames.slice(-2), ["data: [DONE]", ""]);
  return frames.slice(0, -2).map((frame) => JSON.parse(frame.slice("data: ".length)) as T);
}
