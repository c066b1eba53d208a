import assert from "node:assert/strict";
import { connect } from "node:net";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { startServer } from "./test-server.ts";

test("models, tokenizer and version answer in OpenAI's and vLLM's forms", async (t) => {
  const { url, post } = await startServer(t);
  const get = async (path: string): Promise<unknown> => (await fetch(url + path)).json();
  const model = {
    id: "understudy",
    object: "model",
    created: 1_700_000_000,
    owned_by: "troupe",
    root: "understudy",
    parent: null,
    max_model_len: 2048,
  };
  assert.deepEqual(await get("/v1/models"), {
    object: "list",
    data: [model, { ...model, id: "org/understudy" }],
  });
  assert.deepEqual(await get("/v1/models/understudy"), model);
  assert.deepEqual(await get("/v1/models/org/understudy"), { ...model, id: "org/understudy" });
  assert.deepEqual(await get("/v1/models/org%2Funderstudy"), { ...model, id: "org/understudy" });
  assert.deepEqual(await get("/version"), { version: "1.2.3" });
  assert.deepEqual(await (await post("/tokenize", { prompt: "ab", return_token_strs: true })).json(), {
    count: 2,
    max_model_len: 2048,
    tokens: [97, 98],
    token_strs: ["a", "b"],
  });
  const messages = [{ role: "user", content: "a" }];
  assert.equal(((await (await post("/tokenize", { messages })).json()) as { count: number }).count, 7);
  assert.deepEqual(await (await post("/detokenize", { tokens: [97, 98] })).json(), { prompt: "ab" });
  assert.deepEqual(await (await post("/detokenize", { tokens: [] })).json(), { prompt: "" });
});

test("health follows the process, ready follows the engine", async (t) => {
  const { engine, url } = await startServer(t);
  const statuses = async (): Promise<number[]> => [
    (await fetch(`${url}/health`)).status,
    (await fetch(`${url}/ready`)).status,
  ];
  assert.deepEqual(await statuses(), [200, 200]);
  engine.state = "recovering";
  assert.deepEqual(await statuses(), [200, 503]);
  const reason = (await (await fetch(`${url}/ready`)).json()) as { error: { message: string; code: string } };
  assert.equal(reason.error.code, "not_ready");
  assert.match(reason.error.message, /recovering/);
  engine.state = "failed";
  assert.deepEqual(await statuses(), [503, 503]);
});

test("unknown addresses and methods get JSON errors", async (t) => {
  const { url } = await startServer(t);
  const cases = [
    ["PUT", "/", 405, "GET, POST, HEAD, OPTIONS"],
    ["GET", "/v3", 404, null],
    ["GET", "/v1/models/", 404, null],
    ["GET", "/v1/chat/completion", 404, null],
    ["POST", "/v1/completions/", 404, null],
    ["GET", "/v1/models/%zz", 404, null],
    ["GET", "/v1/completions", 405, "POST, OPTIONS"],
    ["DELETE", "/v1/models", 405, "GET, HEAD, OPTIONS"],
    ["PUT", "/v1/chat/completions", 405, "POST, OPTIONS"],
    ["POST", "/health", 405, "GET, HEAD, OPTIONS"],
    ["GET", "/v1/stream", 400, null],
  ] as const;
  for (const [method, path, status, allow] of cases) {
    const response = await fetch(url + path, { method });
    assert.equal(response.status, status, `${method} ${path}`);
    assert.equal(response.headers.get("allow"), allow, `${method} ${path}`);
    const { error } = (await response.json()) as { error: { type: string } };
    assert.equal(error.type, "invalid_request_error");
  }
  const near = (await (await fetch(`${url}/v1/chat/completion`)).json()) as { error: { message: string } };
  assert.match(near.error.message, /Did you mean \/v1\/chat\/completions\?/);
});

test("HEAD and OPTIONS are answered", async (t) => {
  const { url } = await startServer(t);
  const head = await fetch(`${url}/v1/models`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  const options = await fetch(`${url}/v1/completions`, { method: "OPTIONS" });
  assert.deepEqual([options.status, options.headers.get("allow")], [204, "POST, OPTIONS"]);
});

test("bodies must be JSON and not too large", async (t) => {
  const { url, post } = await startServer(t);
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "text/json"]) {
    const response = await post("/v1/completions", { prompt: "x" }, { headers: { "content-type": type } });
    assert.equal(response.status, 415, type);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, "unsupported_media_type");
    assert.match(error.message, /Content-Type: application\/json/);
  }
  const charset = { "content-type": "application/json; charset=utf-8" };
  assert.equal((await post("/v1/completions", { prompt: "x" }, { headers: charset })).status, 200);
  const large = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "x".repeat(300 * 1024) }),
  });
  assert.equal(large.status, 413);
  assert.equal(((await large.json()) as { error: { code: string } }).error.code, "payload_too_large");
});

test("request ids are taken over when they are printable, else made", async (t) => {
  const { url, log } = await startServer(t);
  const get = async (id: string): Promise<string | null> =>
    (await fetch(`${url}/version`, { headers: { "x-request-id": id } })).headers.get("x-request-id");
  assert.equal(await get("abc-123"), "abc-123");
  assert.equal(await get("x".repeat(129)), "id0");
  assert.equal(
    log.some((line) => line.requestId === "abc-123" && line.path === "/version" && line.status === 200),
    true,
  );
});

test("what is not HTTP gets a short answer and the connection ends", async (t) => {
  const { port, url } = await startServer(t);
  const send = async (bytes: string): Promise<string> => {
    const socket = connect(port, "127.0.0.1");
    socket.write(bytes);
    return readText(socket);
  };
  assert.match(await send("hello\r\n\r\n"), /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*"invalid_request_error"/);
  assert.match(
    await send(`GET /version HTTP/1.1\r\nX-Big: ${"x".repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  );
  assert.equal((await fetch(`${url}/version`)).status, 200);
});

test("no prompt and no answer is ever logged", async (t) => {
  const { engine, post, log } = await startServer(t);
  engine.script = { tokens: ["secret answer"] };
  await (await post("/v1/completions", { prompt: "secret prompt" })).text();
  await (await post("/v1/completions", { prompt: "secret prompt", n: "secret field" })).text();
  await (
    await post("/v1/chat/completions", { messages: [{ role: "user", content: "secret" }], stream: true })
  ).text();
  assert.equal(log.length >= 2, true);
  assert.equal(JSON.stringify(log).includes("secret"), false);
});

test("the metrics have vLLM's names and count what happened", async (t) => {
  const { url, post } = await startServer(t);
  await (await post("/v1/completions", { prompt: "x" })).text();
  await (await post("/v1/completions", { prompt: "x", stream: true, max_tokens: 1 })).text();
  await (await post("/v1/completions", {})).text();
  const response = await fetch(`${url}/metrics`);
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
  const metrics = await response.text();
  for (const line of [
    'vllm:num_requests_running{model_name="understudy"} 0',
    'vllm:num_requests_waiting{model_name="understudy"} 0',
    'vllm:gpu_cache_usage_perc{model_name="understudy"} 0.25',
    'vllm:kv_cache_usage_perc{model_name="understudy"} 0.25',
    'vllm:prompt_tokens_total{model_name="understudy"} 11',
    'vllm:generation_tokens_total{model_name="understudy"} 22',
    'vllm:prefix_cache_queries_total{model_name="understudy"} 8',
    'vllm:prefix_cache_hits_total{model_name="understudy"} 4',
    'vllm:num_preemptions_total{model_name="understudy"} 1',
    'vllm:time_to_first_token_seconds_count{model_name="understudy"} 2',
    'vllm:time_per_output_token_seconds_count{model_name="understudy"} 2',
    'vllm:e2e_request_latency_seconds_count{model_name="understudy"} 2',
    'vllm:request_prompt_tokens_sum{model_name="understudy"} 2',
    'vllm:request_generation_tokens_sum{model_name="understudy"} 4',
    'vllm:request_success_total{finished_reason="stop",model_name="understudy"} 1',
    'vllm:request_success_total{finished_reason="length",model_name="understudy"} 1',
    'troupe:engine_state{state="ready",model_name="understudy"} 1',
    'troupe:http_requests_total{method="POST",route="/v1/completions",status="200"} 2',
    'troupe:http_requests_total{method="POST",route="/v1/completions",status="400"} 1',
  ])
    assert.equal(metrics.includes(`${line}\n`), true, `${line}\n${metrics}`);
  const again = await (await fetch(`${url}/metrics`)).text();
  assert.match(again, /vllm:prompt_tokens_total\{model_name="understudy"\} 11\n/);
});
