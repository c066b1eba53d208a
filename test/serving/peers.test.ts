/** Two servers with a model each: either answers for both, streams included, and no request goes round in circles. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { FakeEngine } from "./fake-engine.ts";
import { startServer, type TestServer } from "./test-server.ts";

/** A server of "here" whose peer serves "there". */
async function startPair(t: TestContext): Promise<{ here: TestServer; there: TestServer }> {
  const there = await startServer(t, { engine: new FakeEngine({ names: ["there"] }) });
  const peers = [{ url: there.url, model: "there" }];
  const here = await startServer(t, { engine: new FakeEngine({ names: ["here"] }), config: { peers } });
  return { here, there };
}

const chat = { model: "there", messages: [{ role: "user", content: "Hi" }] };

test("a request for a peer's model is answered by the peer, with its bytes and its status", async (t) => {
  const { here, there } = await startPair(t);
  const response = await here.post("/v1/chat/completions", chat);
  const { model, choices } = (await response.json()) as {
    model: string;
    choices: { message: { content: string } }[];
  };
  assert.deepEqual([response.status, model, choices[0]?.message.content], [200, "there", "Hello world!"]);
  assert.equal(here.engine.requests.length, 0);
  assert.equal(there.engine.requests.length, 1);
  const refused = await here.post("/v1/completions", { model: "there", prompt: "a", temperature: 9 });
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /temperature/);
});

test("a stream comes through event by event, while the peer still generates", async (t) => {
  const { here, there } = await startPair(t);
  there.engine.script = { tokens: ["a", "b", "c"], holdAfterTokens: 1 };
  const response = await here.post("/v1/completions", { model: "there", prompt: "x", stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  assert.match(first.value!, /"text":"a"/);
  there.engine.release();
  let rest = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) rest += next.value;
  assert.match(rest, /"text":"c".*data: \[DONE\]\n\n$/s);
});

test("a client that goes away is felt by the peer", async (t) => {
  const { here, there } = await startPair(t);
  there.engine.script = { tokens: ["a", "b"], holdAfterTokens: 1 };
  const abort = new AbortController();
  const init = { headers: { "content-type": "application/json" }, signal: abort.signal };
  const response = await here.post("/v1/completions", { model: "there", prompt: "x", stream: true }, init);
  const reader = response.body!.getReader();
  await reader.read();
  abort.abort();
  await there.engine.until(({ cancelled }) => cancelled.length === 1);
});

test("the peer's models stand in the list, and one of them is described by the peer", async (t) => {
  const { here } = await startPair(t);
  const list = (await (await fetch(`${here.url}/v1/models`)).json()) as { data: { id: string }[] };
  assert.deepEqual(
    list.data.map(({ id }) => id),
    ["here", "there"],
  );
  const one = (await (await fetch(`${here.url}/v1/models/there`)).json()) as { max_model_len: number };
  assert.equal(one.max_model_len, 2048);
});

test("a request that was sent on is not sent on again", async (t) => {
  const first = await startServer(t, { engine: new FakeEngine({ names: ["one"] }) });
  const peers = [{ url: first.url, model: "two" }];
  const second = await startServer(t, { engine: new FakeEngine({ names: ["three"] }), config: { peers } });
  const response = await second.post("/v1/completions", { model: "two", prompt: "a" });
  assert.equal(response.status, 404);
  assert.match(await response.text(), /\\"two\\" does not exist\. This server serves: one/);
});

test("keys, addresses and ids travel along; what belongs to the connection does not", async (t) => {
  const seen: Record<string, unknown>[] = [];
  const peer = createServer((request, response) => {
    seen.push(request.headers);
    request.resume();
    response.writeHead(200, { "content-type": "application/json", "x-own": "1" }).end("{}");
  });
  t.after(() => peer.close());
  await once(peer.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`;
  const here = await startServer(t, { config: { peers: [{ url, model: "there" }] } });
  const headers = {
    "content-type": "application/json",
    authorization: "Bearer key",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "x-forwarded-for": "192.0.2.1",
  };
  const response = await here.post("/v1/completions", { model: "there", prompt: "é" }, { headers });
  assert.deepEqual([response.headers.get("x-own"), await response.text()], ["1", "{}"]);
  const [got] = seen;
  assert.deepEqual(
    [got?.authorization, got?.traceparent, got?.["x-forwarded-for"], got?.["content-length"]],
    ["Bearer key", headers.traceparent, "192.0.2.1, 127.0.0.1", "31"],
  );
});

test("of several servers the least busy one is taken, and one that is down is passed over", async (t) => {
  const names = ["there"];
  const [a, b] = [
    await startServer(t, { engine: new FakeEngine({ names }) }),
    await startServer(t, { engine: new FakeEngine({ names }) }),
  ];
  const gone = await startServer(t);
  await gone.server.close();
  const peers = [gone.url, a.url, b.url].map((url) => ({ url, model: "there" }));
  const here = await startServer(t, { config: { peers } });
  a.engine.hold();
  const waiting = here.post("/v1/completions", { model: "there", prompt: "x" });
  await a.engine.until(({ requests }) => requests.length === 1);
  assert.equal((await here.post("/v1/completions", { model: "there", prompt: "x" })).status, 200);
  assert.equal(b.engine.requests.length, 1);
  a.engine.release();
  assert.equal((await waiting).status, 200);
});

test("without a server that answers the client hears so, and may retry", async (t) => {
  const gone = await startServer(t);
  await gone.server.close();
  const here = await startServer(t, { config: { peers: [{ url: gone.url, model: "there" }] } });
  const response = await here.post("/v1/completions", { model: "there", prompt: "x" });
  assert.equal(response.status, 502);
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  assert.equal(error.code, "peer_unreachable");
  assert.match(error.message, /No server of the model "there" answers .*ECONNREFUSED/);
});

test("a peer that dies in the middle of a stream ends the connection, so that nobody takes it for whole", async (t) => {
  const peer = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: {}\n\n", () => response.destroy());
  });
  t.after(() => peer.close());
  await once(peer.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`;
  const here = await startServer(t, { config: { peers: [{ url, model: "there" }] } });
  const response = await here.post("/v1/completions", { model: "there", prompt: "x", stream: true });
  await assert.rejects(response.text());
});

test("MindSpore Serving's routes name the model in the path", async (t) => {
  const { here, there } = await startPair(t);
  const response = await here.post("/models/there/generate", { inputs: "Hi" });
  assert.equal(response.status, 200);
  assert.equal(there.engine.requests.length, 1);
});
