import assert from "node:assert/strict";
import { once } from "node:events";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { rawPost, startServer } from "./test-server.ts";

const FOREVER = { prompt: "x", max_tokens: 1_000_000, stream: true };

test("the first bytes of a stream go out before the first token", async (t) => {
  const { engine, post } = await startServer(t);
  engine.hold();
  const completion = await post("/v1/completions", { prompt: "x", stream: true });
  assert.equal(completion.status, 200);
  const chat = await post("/v1/chat/completions", {
    messages: [{ role: "user", content: "x" }],
    stream: true,
  });
  const reader = chat.body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await reader.read()).value ?? "", /"role":"assistant"/);
  engine.release();
  await completion.text();
  while (!(await reader.read()).done);
});

for (const [how, leave] of [
  ["destroys the connection", "destroy"],
  ["resets the connection", "resetAndDestroy"],
  ["closes its side", "end"],
] as const) {
  test(`a client that ${how} in the middle of a stream cancels it`, async (t) => {
    const { engine, port } = await startServer(t);
    engine.hold();
    const socket = await rawPost(port, "/v1/completions", FOREVER);
    await once(socket, "data");
    socket[leave]();
    await engine.until(({ cancelled }) => cancelled.length === 1);
    assert.equal(engine.numLive, 0);
  });
}

test("a client that leaves before an answer that is not streamed cancels it, all prompts of it", async (t) => {
  const { engine, port, log } = await startServer(t);
  engine.hold();
  const socket = await rawPost(port, "/v1/completions", { prompt: ["a", "b", "c"] });
  await engine.until(({ numLive, numPulled }) => numLive === 3 && numPulled === 3);
  socket.destroy();
  await engine.until(({ cancelled }) => cancelled.length === 3);
  assert.equal(engine.numLive, 0);
  await engine.until(() => log.some((line) => line.status === 499));
});

test("a slow reader pauses its own stream and never has more than the limit buffered", async (t) => {
  const maxBufferedBytes = 64 * 1024;
  const { engine, port } = await startServer(t, { config: { maxBufferedBytes } });
  const numTokens = 20_000;
  const token = "x".repeat(1024);
  engine.script = { tokens: Array.from({ length: numTokens }, () => token) };
  const slow = await rawPost(port, "/v1/completions", FOREVER);
  slow.pause();
  // What the kernel takes is not ours to limit; the pull count standing still while others run shows the pause.
  let seen = -1;
  while (engine.numPulled !== seen) {
    seen = engine.numPulled;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(seen < numTokens, true, `${seen} events were pulled`);
  const { promise: read, resolve } = Promise.withResolvers<number>();
  let numBytes = 0;
  slow.on("data", (bytes) => {
    numBytes += bytes.length;
    if (bytes.includes("[DONE]")) resolve(numBytes);
  });
  slow.resume();
  assert.equal((await read) > numTokens * token.length, true);
  slow.destroy();
});

test("a slow reader that leaves is cancelled although nothing can be written to it", async (t) => {
  const { engine, port } = await startServer(t);
  engine.script = { tokens: Array.from({ length: 100_000 }, () => "x".repeat(1024)) };
  const slow = await rawPost(port, "/v1/completions", FOREVER);
  slow.pause();
  let seen = -1;
  while (engine.numPulled !== seen) {
    seen = engine.numPulled;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  slow.destroy();
  await engine.until(({ cancelled }) => cancelled.length === 1);
});

test("a connection is kept for the next request after a stream", async (t) => {
  const { port } = await startServer(t);
  const socket = await rawPost(port, "/v1/completions", { prompt: "x", stream: true });
  let received = "";
  socket.setEncoding("utf8");
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    received += chunk;
    if (received.endsWith("0\r\n\r\n")) break;
  }
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: keep-alive/i);
  socket.write("GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(await readText(socket), /^HTTP\/1\.1 200 OK\r\n[\s\S]*"1\.2\.3"/);
});
