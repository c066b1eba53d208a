import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { FakeEngine } from "./fake-engine.ts";
import { rawPost, startServer } from "./test-server.ts";

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

const GET_VERSION = "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

for (const [title, config, message] of [
  ["in total", { maxConnections: 2 }, /This server has 2 connections open/],
  ["of one address", { maxConnectionsPerAddress: 2 }, /Your address has 2 connections open/],
] as const) {
  test(`a connection too many ${title} gets 429 and the others go on`, async (t) => {
    const { port } = await startServer(t, { config });
    const [first, second] = [await open(port), await open(port)];
    const third = await open(port);
    third.write(GET_VERSION);
    const refusal = await readText(third);
    assert.match(refusal, /^HTTP\/1\.1 429 [\s\S]*\r\nretry-after: 1\r\n[\s\S]*"rate_limit_exceeded"/);
    assert.match(refusal, message);
    first.write(GET_VERSION);
    assert.match(await readText(first), /^HTTP\/1\.1 200 [\s\S]*"1\.2\.3"/);
    // its place is free now
    const fourth = await open(port);
    fourth.write(GET_VERSION);
    assert.match(await readText(fourth), /^HTTP\/1\.1 200 /);
    second.destroy();
  });
}

test("open and refused connections are counted", async (t) => {
  const { port } = await startServer(t, { config: { maxConnections: 1 } });
  const first = await open(port);
  await readText(await open(port));
  first.write(GET_VERSION.replace("/version", "/metrics"));
  const metrics = await readText(first);
  assert.match(metrics, /^troupe:connections 1$/m);
  assert.match(metrics, /^troupe:connections_refused_total 1$/m);
});

test("a client with too many requests in flight gets 429 over HTTP and WebSocket; other clients do not notice", async (t) => {
  const apiKeys = ["key-number-1", "key-number-2"];
  const { engine, port, post } = await startServer(t, { config: { maxRequestsPerClient: 2, apiKeys } });
  const as = (key: string): RequestInit => ({
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  });
  engine.hold();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, as(apiKeys[0]!) as object);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "generate", id: "a", prompt: "x" }));
  const running = post("/v1/completions", { prompt: "x" }, as(apiKeys[0]!));
  await engine.until(({ numLive }) => numLive === 2);
  const refused = await post("/v1/completions", { prompt: "x" }, as(apiKeys[0]!));
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "1");
  const { error } = (await refused.json()) as { error: { code: string; type: string; message: string } };
  assert.deepEqual([error.code, error.type], ["rate_limit_exceeded", "rate_limit_error"]);
  assert.match(error.message, /2 requests in flight/);
  socket.send(JSON.stringify({ type: "generate", id: "b", prompt: "x" }));
  const [data] = (await once(socket, "message")) as [Buffer];
  assert.match(String(data), /"id":"b".*"rate_limit_exceeded"/);
  const other = post("/v1/completions", { prompt: "x" }, as(apiKeys[1]!));
  await engine.until(({ numLive }) => numLive === 3);
  engine.release();
  assert.deepEqual([(await running).status, (await other).status], [200, 200]);
  socket.terminate();
  assert.equal((await post("/v1/completions", { prompt: "x" }, as(apiKeys[0]!))).status, 200);
});

/** More than the kernel and the server keep for a client. */
const LARGE = { tokens: Array.from({ length: 400 }, () => "x".repeat(64 * 1024)) };

for (const stream of [true, false])
  test(`a client that takes nothing of ${stream ? "a stream" : "an answer"} is cut, and counted`, async (t) => {
    const engine = new FakeEngine();
    engine.script = LARGE;
    const { port } = await startServer(t, { engine, config: { sendTimeoutMs: 200, maxConnections: 1 } });
    const reader = await rawPost(port, "/v1/completions", { prompt: "x", max_tokens: 400, stream });
    reader.pause();
    t.after(() => reader.destroy());
    // a stream is paused while it waits; an answer in one piece is made before it waits
    if (stream) await engine.until(({ cancelled }) => cancelled.length === 1);
    let metrics: string;
    do {
      const next = await open(port);
      next.write(GET_VERSION.replace("/version", "/metrics"));
      metrics = await readText(next);
    } while (/^HTTP\/1\.1 429 /.test(metrics));
    assert.match(metrics, /^troupe:connections_stalled_total 1$/m);
    assert.equal(engine.numLive, 0);
  });

test("a client that waits for a silent answer, or has not asked yet, is not cut", async (t) => {
  const { engine, port } = await startServer(t, { config: { sendTimeoutMs: 100, streamKeepAliveMs: 250 } });
  const late = await open(port);
  engine.hold();
  const plain = await rawPost(port, "/v1/completions", { prompt: "x" });
  const stream = await rawPost(port, "/v1/completions", { prompt: "x", stream: true });
  stream.setEncoding("utf8");
  let received = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    received += String(chunk);
    // two of them: the time-out has passed more than once
    if (received.split(": keep-alive").length === 3) engine.release();
    if (received.includes("[DONE]")) break;
  }
  const [answer] = (await once(plain, "data")) as [Buffer];
  assert.match(String(answer), /^HTTP\/1\.1 200 /);
  late.write(GET_VERSION);
  assert.match(await readText(late), /^HTTP\/1\.1 200 /);
  stream.destroy();
  plain.destroy();
});

const deep = "[".repeat(5000) + "]".repeat(5000);
const inText = JSON.stringify(deep);
for (const [path, body] of [
  ["/v1/completions", `{"prompt": "x", "user": ${deep}}`],
  ["/v1/completions", `{"prompt": "x", "guided_json": ${deep}}`],
  ["/v1/completions", `{"prompt": "x", "guided_json": ${inText}}`],
  ["/v1/chat/completions", `{"messages": [{"role": "user", "content": "x", "y": ${deep}}]}`],
  [
    "/v1/chat/completions",
    `{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": ${inText}}}]}]}`,
  ],
  ["/v1/responses", `{"input": "x", "tools": [{"type": "function", "name": "f", "parameters": ${deep}}]}`],
  ["/tokenize", `{"messages": [], "chat_template_kwargs": {"a": ${deep}}}`],
  ["/models/understudy/generate", `{"inputs": "x", "parameters": {"a": ${deep}}}`],
] as const)
  test(`brackets in brackets in brackets are refused: ${path} ${body.slice(0, 50)}`, async (t) => {
    const { engine, post } = await startServer(t);
    const response = await post(path, body);
    assert.ok(response.status === 400 || response.status === 422, String(response.status));
    assert.match(await response.text(), /nested deeper than 128/);
    assert.equal(engine.requests.length, 0);
  });

test("brackets in brackets in brackets are refused on both WebSockets, and the socket goes on", async (t) => {
  const { engine, port } = await startServer(t);
  for (const [path, message] of [
    ["/v1/stream", `{"type": "generate", "id": "a", "prompt": "x", "guided_json": ${deep}}`],
    ["/v1/responses", `{"type": "response.create", "input": "x", "metadata": ${deep}}`],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    await once(socket, "open");
    socket.send(message);
    assert.match(String((await once(socket, "message"))[0]), /"error".*nested deeper than 128/);
    socket.send(message.replace(deep, "{}"));
    await engine.until(({ numLive, requests }) => numLive === 0 && requests.length > 0);
    engine.requests.length = 0;
    socket.terminate();
  }
});

test("what goes on without its connection counts toward its client's limit, and may be taken up over it", async (t) => {
  const { engine, port, post } = await startServer(t, { config: { maxRequestsPerClient: 1 } });
  const resumable = { prompt: "x", stream: true, stream_options: { resumable: true } };
  const isLimited = async (): Promise<boolean> => (await post("/tokenize", { prompt: "x" })).status === 429;
  const freed = async (): Promise<void> => {
    while (await isLimited());
  };
  engine.script = { holdAfterTokens: 1 };

  const lost = await rawPost(port, "/v1/completions", resumable);
  lost.setEncoding("utf8");
  let received = "";
  while (!/\nid: \S+\n/.test(received)) received += String((await once(lost, "data"))[0]);
  lost.resetAndDestroy();
  await engine.until(({ numPulled }) => numPulled >= 2);
  assert.ok(await isLimited());
  const headers = {
    "content-type": "application/json",
    "last-event-id": /\nid: (\S+)\n/.exec(received)![1]!,
  };
  const taken = await post("/v1/completions", {}, { headers });
  assert.equal(taken.status, 200);
  engine.release();
  assert.match(await taken.text(), /\[DONE\]/);
  await freed();

  for (const [path, message] of [
    ["/v1/stream", { type: "generate", id: "a", prompt: "x", resumable: true }],
    ["/v1/responses", { type: "response.create", input: "x", stream_options: { resumable: true } }],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    await once(socket, "open");
    socket.send(JSON.stringify(message));
    await engine.until(({ numLive }) => numLive === 1);
    socket.terminate();
    for (let turn = 0; turn < 20; turn++) assert.ok(await isLimited(), path);
    engine.release();
    await freed();
  }
});

for (const [title, bytes] of [
  ["nothing at all", ""],
  ["half a head", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-"],
  [
    "a body that never ends",
    "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  ],
  [
    "a chunked body that never ends",
    "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
  ],
] as const) {
  test(`a client that sends ${title} gets 408 and others are served meanwhile`, async (t) => {
    const { port, url } = await startServer(t, { config: { headersTimeoutMs: 200, requestTimeoutMs: 200 } });
    const slow = await open(port);
    if (bytes !== "") slow.write(bytes);
    assert.equal((await fetch(`${url}/version`)).status, 200);
    const answer = await readText(slow);
    assert.match(answer, /^HTTP\/1\.1 408 [\s\S]*\r\nretry-after: 1\r\n[\s\S]*"request_timeout"/);
  });
}

test("an answer may take longer than a request", async (t) => {
  const { engine, port } = await startServer(t, { config: { headersTimeoutMs: 100, requestTimeoutMs: 100 } });
  engine.hold();
  const slow = await open(port);
  const running = await rawPost(port, "/v1/completions", { prompt: "x" });
  await engine.until(({ numLive }) => numLive === 1);
  // by the time that the other one is cut, this one is older than any time-out
  await readText(slow);
  engine.release();
  const [answer] = (await once(running, "data")) as [Buffer];
  assert.match(String(answer), /^HTTP\/1\.1 200 /);
  running.destroy();
});

test("a WebSocket with nothing to do is closed after its idle time, one that runs something is not", async (t) => {
  const clock = new ManualClock();
  const config = { pingIntervalMs: 1_000, socketIdleTimeoutMs: 3_000 };
  const { engine, port } = await startServer(t, { clock, config });
  engine.hold();
  const connectSocket = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
    await once(socket, "open");
    return socket;
  };
  const [idle, busy] = [await connectSocket(), await connectSocket()];
  busy.send(JSON.stringify({ type: "generate", id: "a", prompt: "x" }));
  await engine.until(({ numLive }) => numLive === 1);
  const closed = once(idle, "close");
  for (let second = 1; second <= 2; second++) {
    const pings = [once(idle, "ping"), once(busy, "ping")];
    clock.advance(1_000);
    await Promise.all(pings);
    // the pongs are on their way; an answered message shows that they have arrived
    const answers = [idle, busy].map((socket) => once(socket, "pong"));
    for (const socket of [idle, busy]) socket.ping();
    await Promise.all(answers);
  }
  const ping = once(busy, "ping");
  clock.advance(1_000);
  const [code, reason] = (await closed) as [number, Buffer];
  assert.deepEqual([code, String(reason)], [1001, "nothing happened for 3 s"]);
  await ping;
  assert.equal(busy.readyState, WebSocket.OPEN);
  busy.terminate();
});
