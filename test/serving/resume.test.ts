/** Lost connections: a client that comes back gets every event exactly once, over SSE and over the WebSocket. */
import assert from "node:assert/strict";
import { on, once } from "node:events";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { rawPost, startServer, type TestServer } from "./test-server.ts";

const WORDS = Array.from({ length: 60 }, (_, k) => `${k} `);
const TEXT = WORDS.join("");
const chat = { messages: [{ role: "user", content: "x" }] };
const resumable = { stream: true, stream_options: { resumable: true } };

interface Frame {
  readonly id: string;
  readonly data: string;
}

function framesOf(text: string): Frame[] {
  return [...text.matchAll(/id: (\S+)\ndata: (.*)\n\n/g)].map(([, id, data]) => ({ id: id!, data: data! }));
}

function textOf(frames: readonly Frame[]): string {
  return frames
    .filter(({ data }) => data !== "[DONE]")
    .map(({ data }) => JSON.parse(data) as { choices: { text?: string; delta?: { content?: string } }[] })
    .map(({ choices }) => choices[0]?.text ?? choices[0]?.delta?.content ?? "")
    .join("");
}

/** Reads until `count` whole frames have come, then loses the connection. */
async function readAndLose(socket: Socket, count: number): Promise<Frame[]> {
  let received = "";
  socket.setEncoding("utf8");
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    // Chunked transfer: sizes stand between the frames.
    received = (received + chunk).replaceAll(/\r\n[0-9a-f]+\r\n/g, "");
    if (framesOf(received).length >= count) break;
  }
  socket.resetAndDestroy();
  return framesOf(received).slice(0, count);
}

function lose(server: TestServer, path: string, body: object, count: number): Promise<Frame[]> {
  return rawPost(server.port, path, { ...body, ...resumable }).then((socket) => readAndLose(socket, count));
}

/** Resolves when the server has noticed that a client went away. */
async function noticed({ log }: TestServer): Promise<void> {
  while (!log.some((line) => line.status === 499)) await new Promise((resolve) => setImmediate(resolve));
}

function resume(server: TestServer, path: string, lastEventId: string): Promise<Response> {
  const headers = { "content-type": "application/json", "last-event-id": lastEventId };
  return server.post(path, {}, { headers });
}

for (const [path, body] of [
  ["/v1/completions", { prompt: "x", max_tokens: 100 }],
  ["/v1/chat/completions", chat],
] as const) {
  test(`${path}: after a lost connection the stream goes on after the last event`, async (t) => {
    const server = await startServer(t);
    server.engine.script = { tokens: WORDS };
    for (const count of [1, 2, 30, 61]) {
      const before = await lose(server, path, body, count);
      const rest = await resume(server, path, before.at(-1)!.id);
      assert.match(rest.headers.get("content-type") ?? "", /^text\/event-stream/);
      const frames = [...before, ...framesOf(await rest.text())];
      assert.equal(textOf(frames), TEXT);
      assert.equal(frames.at(-1)?.data, "[DONE]");
      assert.deepEqual(
        frames.map(({ id }) => Number(id.split(":")[1])),
        [...frames.keys()],
      );
    }
    assert.deepEqual(server.engine.cancelled, []);
    assert.equal(server.engine.requests.length, 4);
  });
}

test("generation goes on while the client is away, and ends although it never comes back in between", async (t) => {
  const server = await startServer(t);
  server.engine.script = { tokens: WORDS };
  server.engine.hold();
  const before = await lose(server, "/v1/chat/completions", chat, 1);
  await noticed(server);
  server.engine.release();
  await server.engine.until(({ numLive }) => numLive === 0);
  assert.deepEqual(server.engine.cancelled, []);
  const rest = await resume(server, "/v1/chat/completions", before[0]!.id);
  assert.equal(textOf(framesOf(await rest.text())), TEXT);
});

test("what is too much to keep is not generated before the client is back", async (t) => {
  const server = await startServer(t, { config: { maxStreamEvents: 16 } });
  server.engine.script = { tokens: WORDS };
  server.engine.hold();
  const before = await lose(server, "/v1/chat/completions", chat, 1);
  await noticed(server);
  server.engine.release();
  await server.engine.until(({ numPulled }) => numPulled >= 16);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(server.engine.numPulled <= 20, `${server.engine.numPulled} events were pulled`);
  assert.equal(server.engine.numLive, 1);
  const rest = await resume(server, "/v1/chat/completions", before[0]!.id);
  assert.equal(textOf(framesOf(await rest.text())), TEXT);
});

test("a client that does not come back in time is cancelled, and told so when it does", async (t) => {
  const clock = new ManualClock();
  const server = await startServer(t, { clock, config: { resumeWindowMs: 500 } });
  server.engine.hold();
  const before = await lose(server, "/v1/chat/completions", chat, 1);
  await noticed(server);
  clock.advance(499);
  assert.deepEqual(server.engine.cancelled, []);
  clock.advance(1);
  await server.engine.until(({ cancelled }) => cancelled.length === 1);
  const late = await resume(server, "/v1/chat/completions", before[0]!.id);
  assert.match(await late.text(), /"code":"cancelled"/);
  clock.advance(500);
  assert.equal((await resume(server, "/v1/chat/completions", before[0]!.id)).status, 404);
});

test("ids that are none are refused, streams that nobody has are not found", async (t) => {
  const server = await startServer(t);
  assert.equal((await resume(server, "/v1/completions", "nonsense")).status, 400);
  assert.equal((await resume(server, "/v1/completions", "cmpl-nobody:3")).status, 404);
  assert.equal((await resume(server, "/v1/responses", "resp_nobody:3")).status, 404);
});

test("who did not ask for it gets no ids, and is cancelled at once", async (t) => {
  const { engine, post } = await startServer(t);
  const plain = await post("/v1/completions", { prompt: "x", stream: true });
  assert.doesNotMatch(await plain.text(), /^id:/m);
  engine.hold();
  const controller = new AbortController();
  const left = await post("/v1/completions", { prompt: "x", stream: true }, { signal: controller.signal });
  controller.abort();
  await assert.rejects(left.text());
  await engine.until(({ cancelled }) => cancelled.length === 1);
});

test("/v1/responses goes on with Last-Event-ID too, by POST and by GET", async (t) => {
  const server = await startServer(t);
  server.engine.script = { tokens: WORDS };
  const eventsOf = (text: string) =>
    [...text.matchAll(/data: (.*)\n\n/g)].map(
      ([, data]) => JSON.parse(data!) as { type: string; delta?: string; sequence_number: number },
    );
  const socket = await rawPost(server.port, "/v1/responses", { input: "x", ...resumable });
  const before = await readAndLose(socket, 9);
  const byPost = await (await resume(server, "/v1/responses", before.at(-1)!.id)).text();
  const id = before[0]!.id.split(":")[0];
  const headers = { "last-event-id": before.at(-1)!.id };
  const byGet = await (await fetch(`${server.url}/v1/responses/${id}?stream=true`, { headers })).text();
  assert.equal(byGet, byPost);
  const events = [...before.map(({ data }) => JSON.parse(data)), ...eventsOf(byPost)];
  assert.deepEqual(
    events.map(({ sequence_number }) => sequence_number),
    [...events.keys()],
  );
  assert.equal(events.map(({ delta }) => delta ?? "").join(""), TEXT);
});

interface Message {
  readonly type: string;
  readonly id: string;
  readonly stream?: string;
  readonly seq?: number;
  readonly text?: string;
  readonly error?: { readonly code: string };
}

async function connect(t: TestContext, server: TestServer) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v1/stream`);
  t.after(() => socket.terminate());
  const messages = on(socket, "message");
  await once(socket, "open");
  const next = async (): Promise<Message> => {
    const { value } = await messages.next();
    return JSON.parse(String(value?.[0])) as Message;
  };
  return { socket, next, send: (message: object) => socket.send(JSON.stringify(message)) };
}

test("/v1/stream: a resumable request goes on over another socket, under an id of the client's choice", async (t) => {
  const server = await startServer(t);
  server.engine.script = { tokens: WORDS };
  for (const count of [0, 1, 30, 60, 61]) {
    const first = await connect(t, server);
    first.send({ type: "generate", id: "a", prompt: "x", max_tokens: 100, resumable: true });
    const started = await first.next();
    assert.equal(started.type, "started");
    const got: Message[] = [];
    while (got.length < count) got.push(await first.next());
    first.socket.terminate();
    const second = await connect(t, server);
    const after = got.at(-1)?.seq ?? -1;
    second.send({ type: "resume", id: "b", stream: started.stream, after });
    for (;;) {
      const message = await second.next();
      assert.equal(message.id, "b");
      if (message.type === "error") {
        // Everything had come before the connection was lost.
        assert.deepEqual([count, message.error?.code], [61, "invalid_request"]);
        break;
      }
      got.push(message);
      if (message.type === "done") break;
    }
    assert.equal(got.map(({ text }) => text ?? "").join(""), TEXT);
    assert.deepEqual(
      got.map(({ seq }) => seq),
      [...got.keys()],
    );
  }
  assert.deepEqual(server.engine.cancelled, []);
});

test("/v1/stream: a resumed request is cancelled like any other", async (t) => {
  const server = await startServer(t);
  server.engine.hold();
  const first = await connect(t, server);
  first.send({ type: "generate", id: "a", prompt: "x", resumable: true });
  const { stream } = await first.next();
  first.socket.terminate();
  const second = await connect(t, server);
  second.send({ type: "resume", id: "b", stream });
  second.send({ type: "cancel", id: "b" });
  const last = await second.next();
  assert.deepEqual([last.type, last.id, last.error?.code], ["error", "b", "cancelled"]);
  await server.engine.until(({ cancelled }) => cancelled.length === 1);
  second.send({ type: "resume", id: "c", stream: "stream-nobody" });
  assert.equal((await second.next()).error?.code, "not_found");
});
