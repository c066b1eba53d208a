import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { startServer } from "./test-server.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test("the trace that a request brings in its header goes to the engine, on every route and both sockets", async (t) => {
  const { engine, port, post } = await startServer(t);
  const headers = { "content-type": "application/json", traceparent };
  const messages = [{ role: "user", content: "x" }];
  for (const [path, body] of [
    ["/v1/completions", { prompt: "x" }],
    ["/v1/completions", { prompt: "x", stream: true, stream_options: { resumable: true } }],
    ["/v1/chat/completions", { messages, stream: true }],
    ["/v1/responses", { input: "x" }],
    ["/models/understudy/generate", { inputs: "x" }],
  ] as const) {
    const response = await post(path, body, { headers });
    assert.equal(response.status, 200, await response.text());
  }
  for (const [path, message] of [
    ["/v1/stream", { type: "generate", id: "a", messages }],
    ["/v1/stream", { type: "generate", id: "b", messages, resumable: true }],
    ["/v1/responses", { type: "response.create", input: "x" }],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: { traceparent } });
    await once(socket, "open");
    socket.send(JSON.stringify(message));
    await once(socket, "message");
    socket.terminate();
  }
  assert.deepEqual(
    engine.traces,
    Array.from({ length: 8 }, () => traceparent),
  );
});

test("a request without a trace begins none", async (t) => {
  const { engine, post } = await startServer(t);
  await (await post("/v1/completions", { prompt: "x" })).text();
  assert.deepEqual(engine.traces, [undefined]);
});
