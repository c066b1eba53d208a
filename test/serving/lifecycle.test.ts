import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { CUT_GRACE_MS } from "../../src/serving/active-work.ts";
import { rawPost, startServer } from "./test-server.ts";

test("a taken port is one line that says what to do", async (t) => {
  const { port } = await startServer(t);
  await assert.rejects(startServer(t, { config: { port } }), (error) => {
    assert.ok(error instanceof TroupeError);
    assert.equal(error.code, "address_in_use");
    assert.match(
      error.message,
      new RegExp(`^Port ${port} on 127\\.0\\.0\\.1 is in use by another process\\. .*--port\\.$`),
    );
    return true;
  });
});

test("an address that this machine does not have is a configuration error", async (t) => {
  await assert.rejects(startServer(t, { config: { host: "192.0.2.1" } }), { code: "invalid_config" });
});

test("closing refuses new work, says so to probes, and lets running answers end", async (t) => {
  const { engine, server, url, post } = await startServer(t);
  engine.hold();
  const streamed = await post("/v1/completions", { prompt: "x", stream: true });
  const whole = post("/v1/completions", { prompt: "x" });
  await engine.until(({ numLive, numPulled }) => numLive === 2 && numPulled === 2);
  const closed = server.close({ drainMs: 60_000 });
  const refused = await post("/v1/completions", { prompt: "y" });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("connection"), "close");
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "not_ready");
  assert.equal((await fetch(`${url}/ready`)).status, 503);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  engine.release();
  assert.match(await streamed.text(), /\[DONE\]/);
  assert.equal((await whole).status, 200);
  await closed;
  assert.equal(engine.cancelled.length, 0);
  await assert.rejects(fetch(`${url}/health`));
});

test("at the drain deadline what still runs is cut with an error", async (t) => {
  const clock = new ManualClock();
  const { engine, server, port, post } = await startServer(t, { clock });
  engine.hold();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "generate", id: "a", prompt: "x" }));
  const streamed = await post("/v1/chat/completions", {
    messages: [{ role: "user", content: "x" }],
    stream: true,
  });
  const whole = post("/v1/completions", { prompt: "x" });
  await engine.until(({ numLive, numPulled }) => numLive === 3 && numPulled === 3);
  const messages: string[] = [];
  socket.on("message", (data) => messages.push(String(data)));
  const socketClosed = once(socket, "close");
  const closed = server.close({ drainMs: 5_000 });
  clock.advance(4_999);
  assert.equal(engine.cancelled.length, 0);
  clock.advance(1);
  await engine.until(({ cancelled }) => cancelled.length === 3);
  assert.match(
    await streamed.text(),
    /"role":"assistant"[\s\S]*data: \{"error":\{.*"code":"not_ready"\}\}\n\n$/,
  );
  assert.equal((await whole).status, 503);
  const [code] = (await socketClosed) as [number];
  assert.equal(code, 1001);
  assert.match(messages.at(-1) ?? "", /"type":"error","id":"a".*"not_ready"/);
  await closed;
});

test("a client that reads nothing cannot hold up the end", async (t) => {
  const clock = new ManualClock();
  const { engine, server, port } = await startServer(t, { clock });
  engine.script = { tokens: Array.from({ length: 100_000 }, () => "x".repeat(1024)) };
  const slow = await rawPost(port, "/v1/completions", { prompt: "x", max_tokens: 100_000, stream: true });
  slow.pause();
  await engine.until(({ numPulled }) => numPulled > 100);
  const closed = server.close({ drainMs: 1_000 });
  clock.advance(1_000 + CUT_GRACE_MS);
  await closed;
  await engine.until(({ numLive }) => numLive === 0);
  slow.destroy();
});

test("an idle server with open connections closes at once", async (t) => {
  const { server, url, port } = await startServer(t);
  await (await fetch(`${url}/version`)).text();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  await once(socket, "open");
  const socketClosed = once(socket, "close");
  await server.close({ drainMs: 60_000 });
  await socketClosed;
  await server.close();
});

test("while closing, the WebSocket takes neither requests nor connections", async (t) => {
  const { engine, server, port } = await startServer(t);
  engine.hold();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "generate", id: "a", prompt: "x" }));
  await engine.until(({ numLive }) => numLive === 1);
  const closed = server.close({ drainMs: 60_000 });
  socket.send(JSON.stringify({ type: "generate", id: "b", prompt: "x" }));
  const [data] = (await once(socket, "message")) as [Buffer];
  assert.match(String(data), /"id":"b".*"not_ready"/);
  const late = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  const [error] = (await once(late, "error")) as [Error];
  assert.match(error.message, /503/);
  const socketClosed = once(socket, "close");
  engine.release();
  await closed;
  await socketClosed;
});

test("the address is one that can be pasted", async (t) => {
  const { url, port } = await startServer(t, { config: { host: "0.0.0.0" } });
  assert.equal(url, `http://127.0.0.1:${port}`);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});
