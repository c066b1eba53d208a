import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { StreamClient, type StreamEvent } from "../../src/client/index.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { FakeEngine } from "../serving/fake-engine.ts";
import { startServer } from "../serving/test-server.ts";

async function start(t: TestContext, engine: FakeEngine = new FakeEngine()) {
  const server = await startServer(t, { engine });
  const line = await startLine(t, server.port);
  const client = new StreamClient({ url: line.url });
  t.after(() => client.close());
  return { ...server, line, client };
}

/** A line to the server that can be cut. */
async function startLine(t: TestContext, port: number) {
  const sockets = new Set<Socket>();
  const proxy = createServer((socket) => {
    const onward = connect(port, "127.0.0.1");
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on("error", () => undefined).on("close", () => sockets.delete(end));
    }
    socket.pipe(onward).pipe(socket);
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    cut();
    proxy.close();
  });
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    cut,
    close: () => proxy.close(),
  };
}

const textOf = (events: readonly StreamEvent[]): string =>
  events.map((event) => (event.type === "token" ? event.text : "")).join("");

test("tokens come, then done with reasons and counts", async (t) => {
  const { client } = await start(t);
  const events = await Array.fromAsync(client.stream({ prompt: "Hi", return_token_ids: true }));
  assert.equal(textOf(events), "Hello world!");
  assert.deepEqual(events[0], { type: "token", index: 0, text: "Hello", tokenIds: [72] });
  const last = events.at(-1);
  assert.ok(last?.type === "done");
  assert.equal(last.choices[0]?.finish_reason, "stop");
  assert.equal(last.usage.completion_tokens, 3);
});

test("generate gives the whole answer; many requests share one connection", async (t) => {
  const { client, engine } = await start(t);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.generate({ prompt: `${i}` })),
  );
  assert.deepEqual([...new Set(answers.map(({ text }) => text))], ["Hello world!"]);
  assert.equal(engine.requests.length, 20);
});

test("a connection lost in the middle is had again: no piece is lost, none comes twice", async (t) => {
  const engine = new FakeEngine();
  engine.script = { tokens: [..."abcdefgh"], holdAfterTokens: 3 };
  const { client, line } = await start(t, engine);
  const events: StreamEvent[] = [];
  for await (const event of client.stream({ prompt: "x" })) {
    events.push(event);
    if (events.length === 3) {
      line.cut();
      engine.release();
    }
  }
  assert.equal(textOf(events), "abcdefgh");
  assert.equal(engine.requests.length, 1);
});

test("a request that the server had not taken yet is sent again", async (t) => {
  const engine = new FakeEngine();
  const { client, line } = await start(t, engine);
  engine.hold();
  const answer = client.generate({ prompt: "x" });
  await engine.until(({ requests }) => requests.length === 1);
  line.cut();
  await engine.until(({ requests }) => requests.length >= 1);
  engine.release();
  assert.equal((await answer).text, "Hello world!");
});

test("leaving the loop, and aborting, cancel at the server", async (t) => {
  const engine = new FakeEngine();
  engine.script = { tokens: ["a", "b"], holdAfterTokens: 1 };
  const { client } = await start(t, engine);
  for await (const _ of client.stream({ prompt: "x" })) break;
  await engine.until(({ cancelled }) => cancelled.length === 1);
  engine.release();
  const abort = new AbortController();
  await assert.rejects(
    async () => {
      for await (const event of client.stream({ prompt: "x" }, { signal: abort.signal })) {
        assert.ok(event);
        abort.abort();
      }
    },
    { code: "cancelled" },
  );
  await engine.until(({ cancelled }) => cancelled.length === 2);
});

test("a refusal has the server's code and words", async (t) => {
  const { client, engine } = await start(t);
  engine.script = { refuse: new TroupeError("prompt_too_long", "Too long.") };
  await assert.rejects(client.generate({ prompt: "x" }), { code: "prompt_too_long", message: "Too long." });
  await assert.rejects(client.generate({ prompt: "x", top_p: 7 }), {
    code: "invalid_request",
    message: /top_p/,
  });
});

test("a server that stays away is given up after the time that was set", async (t) => {
  const { url, server } = await startServer(t);
  await server.close();
  const client = new StreamClient({ url, giveUpAfterMs: 0 });
  t.after(() => client.close());
  await assert.rejects(client.generate({ prompt: "x" }), {
    code: "connection_lost",
    message: /No connection to ws:.*key right/,
  });
});

test("a key travels with the connection; a wrong one never gets one", async (t) => {
  const { url } = await startServer(t, { config: { apiKeys: ["secret-key"] } });
  const right = new StreamClient({ url, apiKey: "secret-key" });
  const wrong = new StreamClient({ url, apiKey: "other-key", giveUpAfterMs: 0 });
  t.after(() => [right, wrong].forEach((client) => void client.close()));
  assert.equal((await right.generate({ prompt: "x" })).text, "Hello world!");
  await assert.rejects(wrong.generate({ prompt: "x" }), { code: "connection_lost" });
});

test("closing fails what runs, and what is asked later", async (t) => {
  const engine = new FakeEngine();
  const { client } = await start(t, engine);
  engine.hold();
  const answer = client.generate({ prompt: "x" });
  await engine.until(({ requests }) => requests.length === 1);
  client.close();
  await assert.rejects(answer, { code: "cancelled", message: "The client was closed." });
  await assert.rejects(client.generate({ prompt: "x" }), { code: "cancelled" });
});
