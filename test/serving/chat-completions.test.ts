import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { startServer } from "./test-server.ts";

const MESSAGES = [{ role: "user", content: "Hi" }];

test("a chat completion is answered exactly as OpenAI does", async (t) => {
  const { engine, post } = await startServer(t);
  const response = await post("/v1/chat/completions", { model: "understudy", messages: MESSAGES });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    id: "chatcmpl-id1",
    object: "chat.completion",
    created: 1_750_000_000,
    model: "understudy",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Hello world!", refusal: null },
        logprobs: null,
        finish_reason: "stop",
        stop_reason: null,
      },
    ],
    usage: {
      prompt_tokens: 8,
      completion_tokens: 3,
      total_tokens: 11,
      prompt_tokens_details: { cached_tokens: 1 },
    },
  });
  assert.equal(engine.requests[0]?.params.maxTokens, null);
  assert.deepEqual(engine.requests[0]?.prompt, {
    kind: "chat",
    messages: MESSAGES,
    addGenerationPrompt: true,
  });
});

test("a streamed chat completion is this, byte for byte", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = { tokens: ["Hi", "", " you"], stopReason: "END" };
  const response = await post("/v1/chat/completions", {
    messages: MESSAGES,
    stream: true,
    stream_options: { include_usage: true },
  });
  const head =
    '"id":"chatcmpl-id1","object":"chat.completion.chunk","created":1750000000,"model":"understudy"';
  assert.equal(
    await response.text(),
    [
      `data: {${head},"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}`,
      `data: {${head},"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null}`,
      `data: {${head},"choices":[{"index":0,"delta":{"content":" you"},"logprobs":null,"finish_reason":null}],"usage":null}`,
      `data: {${head},"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","stop_reason":"END"}],"usage":null}`,
      `data: {${head},"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":3,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":1}}}`,
      "data: [DONE]",
      "",
    ].join("\n\n"),
  );
});

test("without include_usage no chunk has a usage; with continuous_usage_stats every chunk has", async (t) => {
  const { post } = await startServer(t);
  const plain = await (await post("/v1/chat/completions", { messages: MESSAGES, stream: true })).text();
  assert.equal(plain.includes("usage"), false);
  const body = { messages: MESSAGES, stream: true, stream_options: { continuous_usage_stats: true } };
  const counted = await (await post("/v1/chat/completions", body)).text();
  const totals = [...counted.matchAll(/"completion_tokens":(\d+)/g)].map((match) => Number(match[1]));
  assert.deepEqual(totals, [0, 1, 2, 3, 3, 3]);
});

test("log-probabilities have chat's own shape", async (t) => {
  const { post } = await startServer(t);
  const body = { messages: MESSAGES, logprobs: true, top_logprobs: 2, max_tokens: 1 };
  const { choices } = (await (await post("/v1/chat/completions", body)).json()) as {
    choices: { logprobs: unknown }[];
  };
  const hello = { token: "Hello", logprob: -0.5, bytes: [72, 101, 108, 108, 111] };
  assert.deepEqual(choices[0]?.logprobs, {
    content: [{ ...hello, top_logprobs: [hello, { token: "alt1", logprob: -2, bytes: [97, 108, 116, 49] }] }],
    refusal: null,
  });
});

test("n answers are numbered, in the stream as well", async (t) => {
  const { post } = await startServer(t);
  const body = { messages: MESSAGES, n: 3, stream: true, return_token_ids: true };
  const text = await (await post("/v1/chat/completions", body)).text();
  const indices = [...text.matchAll(/"index":(\d)/g)].map((match) => Number(match[1]));
  assert.deepEqual(indices, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
  assert.equal([...text.matchAll(/"prompt_token_ids":/g)].length, 1);
  const whole = (await (await post("/v1/chat/completions", { ...body, stream: false })).json()) as {
    choices: { index: number; token_ids: number[] }[];
    prompt_token_ids: number[];
  };
  assert.deepEqual(
    whole.choices.map(({ index }) => index),
    [0, 1, 2],
  );
  assert.equal(whole.prompt_token_ids.length, 8);
  assert.equal(whole.choices[0]?.token_ids.length, 3);
});

test("messages reach the template as it wants them", async (t) => {
  const { engine, post } = await startServer(t, { config: { allowRequestTemplates: true } });
  const response = await post("/v1/chat/completions", {
    messages: [
      { role: "developer", content: "Be brief." },
      {
        role: "user",
        name: "Ada",
        content: [
          { type: "text", text: "one" },
          { type: "text", text: "two" },
        ],
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: '{"x":1}' } }],
      },
      { role: "tool", tool_call_id: "c1", content: "42" },
    ],
    tools: [{ type: "function", function: { name: "f" } }],
    tool_choice: "none",
    add_generation_prompt: false,
    chat_template: "{{ messages }}",
    chat_template_kwargs: { enable_thinking: false },
    response_format: { type: "text" },
    max_completion_tokens: 4,
  });
  assert.equal(response.status, 200);
  assert.deepEqual(engine.requests[0]?.prompt, {
    kind: "chat",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", name: "Ada", content: "one\ntwo" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: { x: 1 } } }],
      },
      { role: "tool", tool_call_id: "c1", content: "42" },
    ],
    addGenerationPrompt: false,
    tools: [{ type: "function", function: { name: "f" } }],
    template: "{{ messages }}",
    variables: { enable_thinking: false },
  });
  assert.equal(engine.requests[0]?.params.maxTokens, 4);
});

test("an error before the first event has its own status, in a stream as well", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = { refuse: new TroupeError("queue_full", "The waiting queue is full.") };
  for (const stream of [false, true]) {
    const response = await post("/v1/chat/completions", { messages: MESSAGES, stream });
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.deepEqual(await response.json(), {
      error: {
        message: "The waiting queue is full.",
        type: "rate_limit_error",
        param: null,
        code: "queue_full",
      },
    });
  }
});

test("an error after the first event ends the stream with an error event", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = { fail: { afterTokens: 1, error: new TroupeError("engine_failed", "Lost.") } };
  const streamed = await (await post("/v1/chat/completions", { messages: MESSAGES, stream: true })).text();
  const last = streamed.split("\n\n").at(-2);
  assert.equal(
    last,
    'data: {"error":{"message":"Lost.","type":"server_error","param":null,"code":"engine_failed"}}',
  );
  const whole = await post("/v1/chat/completions", { messages: MESSAGES });
  assert.equal(whole.status, 503);
});

test("a bug is told to the log, not to the client", async (t) => {
  const { engine, post, log } = await startServer(t);
  engine.script = { fail: { afterTokens: 0, error: new TypeError("secret detail") } };
  const response = await post("/v1/chat/completions", { messages: MESSAGES });
  assert.equal(response.status, 500);
  assert.equal(response.headers.get("x-should-retry"), "false");
  const text = await response.text();
  assert.match(text, /Internal error; the server's log has it under request id0/);
  assert.equal(text.includes("secret"), false);
  assert.equal(
    log.some((line) => JSON.stringify(line.err ?? "").includes("secret detail")),
    true,
  );
});
