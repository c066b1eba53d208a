/** The Responses API over a WebSocket, by the official client and by hand. */
import assert from "node:assert/strict";
import { on, once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import OpenAI from "openai";
import type {
  ResponseStreamEvent,
  ResponsesClientEvent,
  ResponsesServerEvent,
} from "openai/resources/responses/responses";
import { ResponsesWS } from "openai/resources/responses/ws";
import { WebSocket } from "ws";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { startServer, type TestServer } from "./test-server.ts";

type Options = Parameters<typeof startServer>[1];
type Started = TestServer & { readonly client: OpenAI };

async function start(t: TestContext, options: Options = {}): Promise<Started> {
  const server = await startServer(t, options);
  return { ...server, client: new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 }) };
}

/** Keeps what the server says, and waits for it. */
class Listener {
  readonly events: ResponsesServerEvent[] = [];
  readonly socket: ResponsesWS;

  constructor(t: TestContext, client: OpenAI, options: ConstructorParameters<typeof ResponsesWS>[1] = {}) {
    this.socket = new ResponsesWS(client, options);
    this.socket.on("event", (event) => this.events.push(event));
    this.socket.on("error", () => undefined);
    t.after(() => this.socket.close());
  }

  create(fields: object): void {
    this.socket.send({ type: "response.create", model: "understudy", ...fields } as ResponsesClientEvent);
  }

  send(message: object): void {
    this.socket.sendRaw(JSON.stringify(message));
  }

  async until<T>(find: (events: readonly ResponsesServerEvent[]) => T | undefined): Promise<T> {
    for (;;) {
      const found = find(this.events);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.socket.once("event", () => resolve()));
    }
  }

  /** The last event of the k-th response, or an error. */
  ended(lane?: string): Promise<ResponsesServerEvent> {
    return this.until((events) =>
      events.find((event) => isLast(event) && (event as { stream_id?: string }).stream_id === lane),
    );
  }
}

function isLast({ type }: ResponsesServerEvent): boolean {
  return ["response.completed", "response.incomplete", "response.failed", "error"].includes(type);
}

function withoutNames(events: readonly object[]): string[] {
  return events.map((event) => JSON.stringify(event).replaceAll(/(resp|msg)_id\d+/g, "$1"));
}

test("the same events in the same order as over HTTP", async (t) => {
  const { client } = await start(t);
  const overHttp: ResponseStreamEvent[] = [];
  const fields = { input: "Hi", include: ["message.output_text.logprobs" as const] };
  for await (const event of await client.responses.create({ model: "understudy", stream: true, ...fields }))
    overHttp.push(event);
  const listener = new Listener(t, client);
  listener.create(fields);
  await listener.ended();
  assert.deepEqual(withoutNames(listener.events), withoutNames(overHttp));
});

test("lanes run side by side, the responses of a lane one after another", async (t) => {
  const { client, engine } = await start(t);
  engine.hold();
  const listener = new Listener(t, client);
  for (const lane of ["a", "b", "c"]) listener.create({ input: lane, stream_id: lane });
  listener.create({ input: "after", stream_id: "a" });
  await engine.until(({ numLive }) => numLive === 3);
  engine.release();
  await listener.until((events) => (events.filter(isLast).length === 4 ? true : undefined));
  for (const lane of ["a", "b", "c"]) {
    const own = listener.events.filter((event) => (event as { stream_id?: string }).stream_id === lane);
    const responses = own.filter(({ type }) => type === "response.created").length;
    assert.equal(responses, lane === "a" ? 2 : 1);
    const first = own.slice(0, own.findIndex(isLast) + 1);
    assert.equal(first.filter(({ type }) => type === "response.created").length, 1);
  }
});

test("each response can be cancelled, by its id or by its lane, the others go on", async (t) => {
  const { client, engine } = await start(t);
  engine.hold();
  const listener = new Listener(t, client);
  for (const lane of ["a", "b", "c"]) listener.create({ input: lane, stream_id: lane });
  listener.create({ input: "waits", stream_id: "b" });
  const id = await listener.until((events) => {
    const created = events.filter((event) => event.type === "response.created");
    if (created.length < 3) return undefined;
    return created.find((event) => (event as { stream_id?: string }).stream_id === "a")?.response.id;
  });
  listener.send({ type: "response.cancel", response_id: id });
  listener.send({ type: "response.cancel", stream_id: "b" });
  for (const lane of ["a", "b"]) {
    const last = await listener.ended(lane);
    assert.equal(last.type === "response.incomplete" && last.response.status, "cancelled");
  }
  engine.release();
  assert.equal((await listener.ended("c")).type, "response.completed");
  const errors = await listener.until((events) => {
    const found = events.filter(({ type }) => type === "error");
    return found.length > 0 ? found : undefined;
  });
  assert.equal((errors[0] as { error?: { code: string } }).error?.code, "cancelled");
  assert.equal(engine.requests.length, 3);
});

test("a response on a socket is cancelled over HTTP too", async (t) => {
  const { client, engine } = await start(t);
  engine.hold();
  const listener = new Listener(t, client);
  listener.create({ input: "Hi" });
  const id = await listener.until(
    (events) => events.flatMap((event) => (event.type === "response.created" ? [event.response.id] : []))[0],
  );
  assert.equal((await client.responses.cancel(id)).status, "cancelled");
  assert.equal((await listener.ended()).type, "response.incomplete");
});

test("a socket remembers what is not stored; another socket does not", async (t) => {
  const { client, engine } = await start(t);
  const listener = new Listener(t, client);
  listener.create({ input: "Hi", store: false });
  const first = await listener.ended();
  assert.ok(first.type === "response.completed");
  const previous_response_id = first.response.id;
  listener.create({ input: "More", store: false, previous_response_id, stream_id: "x" });
  assert.equal((await listener.ended("x")).type, "response.completed");
  const { prompt } = engine.requests[1]!;
  assert.deepEqual(prompt.kind === "chat" && prompt.messages, [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello world!" },
    { role: "user", content: "More" },
  ]);
  const other = new Listener(t, client);
  other.create({ input: "More", previous_response_id });
  const refused = await other.ended();
  assert.ok(refused.type === "error" && "error" in refused);
  assert.deepEqual([refused.error.code, refused.error.param], ["not_found", "previous_response_id"]);
});

test("a stored response of a socket is retrieved over HTTP", async (t) => {
  const { client } = await start(t);
  const listener = new Listener(t, client);
  listener.create({ input: "Hi" });
  const last = await listener.ended();
  assert.ok(last.type === "response.completed");
  assert.equal((await client.responses.retrieve(last.response.id)).output_text, "Hello world!");
});

test("what cannot be served gets an error of its lane, and the socket stays open", async (t) => {
  const { client, engine } = await start(t, { config: { maxRequestsPerSocket: 1 } });
  const listener = new Listener(t, client);
  const refused: readonly (readonly [object | string, string, string])[] = [
    ["{", "invalid_json", ""],
    [{ type: "response.creat", stream_id: "l" }, "invalid_request", "type"],
    [{ type: "response.steer", input: "x", previous_response_id: "resp" }, "unsupported", "type"],
    [{ type: "response.create", input: "x", background: true, stream_id: "l" }, "unsupported", "background"],
    [{ type: "response.create", input: "x", temperature: 9 }, "invalid_request", "temperature"],
    [{ type: "response.create", input: 7 }, "invalid_request", "input"],
    [{ type: "response.create", input: "x", stream_id: 7 }, "invalid_request", "stream_id"],
    [{ type: "response.resume", response_id: "resp_nobody" }, "not_found", ""],
  ];
  for (const [index, [message, code, param]] of refused.entries()) {
    listener.socket.sendRaw(typeof message === "string" ? message : JSON.stringify(message));
    const event = await listener.until((events) => events[index]);
    assert.ok(event.type === "error" && "error" in event);
    assert.deepEqual([event.error.code, event.error.param ?? ""], [code, param], event.error.message);
    assert.equal(typeof event.status, "number");
  }
  engine.hold();
  listener.create({ input: "x", stream_id: "a" });
  listener.create({ input: "x", stream_id: "b" });
  const full = await listener.ended("b");
  assert.ok(full.type === "error" && "error" in full && full.error.code === "queue_full");
  engine.release();
  assert.equal((await listener.ended("a")).type, "response.completed");
});

test("a failure in the middle ends the response with response.failed", async (t) => {
  const { client, engine } = await start(t);
  engine.script = { fail: { afterTokens: 1, error: new TroupeError("engine_failed", "Lost.") } };
  const listener = new Listener(t, client);
  listener.create({ input: "Hi" });
  const last = await listener.ended();
  assert.ok(last.type === "response.failed");
  assert.equal(last.response.error?.message, "Lost.");
});

test("a plain GET says that the address speaks WebSocket, and while the server stops, that it does", async (t) => {
  const { engine, url, post, server } = await start(t);
  const asked = async (): Promise<number> => (await fetch(`${url}/v1/responses`)).status;
  assert.equal(await asked(), 400);
  engine.hold();
  const running = post("/v1/responses", { input: "Hi" });
  await engine.until(({ numLive }) => numLive === 1);
  const closing = server.close({ drainMs: 60_000 });
  assert.equal(await asked(), 503);
  engine.release();
  assert.equal((await running).status, 200);
  await closing;
});

test("closing the socket cancels what runs on it and what waits", async (t) => {
  const { client, engine } = await start(t);
  engine.hold();
  const listener = new Listener(t, client);
  listener.create({ input: "Hi" });
  listener.create({ input: "waits" });
  await engine.until(({ numPulled }) => numPulled === 1);
  listener.socket.close();
  await engine.until(({ cancelled }) => cancelled.length === 1);
  assert.equal(engine.requests.length, 1);
});

test("after a lost connection the client connects again and takes the response up where it was", async (t) => {
  const { client, engine, port } = await start(t);
  engine.script = { tokens: Array.from({ length: 40 }, (_, k) => `${k} `) };
  engine.hold();
  const transports: Socket[] = [];
  const listener = new Listener(t, client, {
    createConnection: () => {
      const transport = connect(port, "127.0.0.1");
      transports.push(transport);
      return transport;
    },
    reconnect: { onReconnecting: () => undefined, initialDelay: 1, maxDelay: 2 },
  });
  listener.create({ input: "Hi", stream_options: { resumable: true } });
  const id = await listener.until(
    (events) => events.flatMap((event) => (event.type === "response.created" ? [event.response.id] : []))[0],
  );
  await listener.until((events) => (events.length >= 2 ? true : undefined));
  const reconnected = new Promise<void>((resolve) => listener.socket.once("reconnected", () => resolve()));
  // The transport goes away under the client, without a closing handshake.
  transports[0]?.resetAndDestroy();
  engine.release();
  await engine.until(({ numLive }) => numLive === 0);
  await reconnected;
  const last = listener.events.at(-1) as { readonly sequence_number: number };
  listener.send({ type: "response.resume", response_id: id, starting_after: last.sequence_number });
  const completed = await listener.ended();
  assert.ok(completed.type === "response.completed");
  const numbers = listener.events.map((event) => (event as { sequence_number: number }).sequence_number);
  assert.deepEqual(numbers, [...numbers.keys()]);
  const deltas = listener.events.flatMap((event) =>
    event.type === "response.output_text.delta" ? [event.delta] : [],
  );
  assert.equal(deltas.join(""), Array.from({ length: 40 }, (_, k) => `${k} `).join(""));
  assert.equal(transports.length, 2);
});

test("a stopping server lets responses end, and cuts them at the deadline with an event that says so", async (t) => {
  const { client, engine, server } = await start(t);
  engine.hold();
  const listener = new Listener(t, client);
  listener.create({ input: "Hi" });
  await engine.until(({ numPulled }) => numPulled === 1);
  const closing = server.close({ drainMs: 1 });
  const last = await listener.ended();
  assert.equal(last.type === "response.failed" && last.response.error?.code, "server_error");
  await closing;
});

test("a client that reads nothing is paused, and its neighbour is not", async (t) => {
  const { client, engine, port } = await start(t, { config: { maxBufferedBytes: 16 * 1024 } });
  const numTokens = 20_000;
  engine.script = ({ prompt }) => {
    const isSlow = prompt.kind === "chat" && prompt.messages[0]?.content === "slow";
    return isSlow ? { tokens: Array.from({ length: numTokens }, () => "x".repeat(1024)) } : {};
  };
  const slow = new WebSocket(`ws://127.0.0.1:${port}/v1/responses`);
  t.after(() => slow.terminate());
  await once(slow, "open");
  const messages = on(slow, "message");
  slow.send(JSON.stringify({ type: "response.create", input: "slow" }));
  await messages.next();
  slow.pause();
  let seen = -1;
  while (engine.numPulled !== seen) {
    seen = engine.numPulled;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(seen < numTokens, `${seen} events were pulled`);
  assert.equal(
    (await client.responses.create({ model: "understudy", input: "fast" })).output_text,
    "Hello world!",
  );
  slow.terminate();
  await engine.until(({ cancelled }) => cancelled.length === 1);
});
