import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { CONFIG, startServer, type TestServer } from "./test-server.ts";

interface Message {
  readonly type: string;
  readonly id: string | null;
  readonly text?: string;
  readonly error?: { readonly code: string; readonly param: string | null; readonly message: string };
  readonly [field: string]: unknown;
}

/** A client that keeps what it received. */
class Client {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];

  constructor(t: TestContext, port: number, path = "/v1/stream", options: { autoPong?: boolean } = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
    this.socket.on("message", (data) => this.messages.push(JSON.parse(String(data)) as Message));
    this.socket.on("error", () => undefined);
    t.after(() => this.socket.terminate());
  }

  send(...messages: unknown[]): void {
    for (const message of messages)
      this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  async until(check: (messages: readonly Message[]) => boolean): Promise<void> {
    while (!check(this.messages)) await once(this.socket, "message");
  }

  /** Waits for the last message of a request. */
  async ended(id: string): Promise<Message> {
    const isEnd = (message: Message): boolean => message.id === id && message.type !== "token";
    await this.until((messages) => messages.some(isEnd));
    return this.messages.find(isEnd)!;
  }

  textOf(id: string): string {
    return this.messages
      .filter((message) => message.type === "token" && message.id === id)
      .map((message) => message.text)
      .join("");
  }
}

async function startClient(
  t: TestContext,
  options: Parameters<typeof startServer>[1] = {},
): Promise<TestServer & { readonly client: Client }> {
  const server = await startServer(t, options);
  const client = new Client(t, server.port);
  await once(client.socket, "open");
  return { ...server, client };
}

test("a request is answered token by token and ends with done", async (t) => {
  const { client, engine } = await startClient(t);
  client.send({ type: "generate", id: "a", prompt: "Hi" });
  await client.ended("a");
  assert.deepEqual(client.messages, [
    { type: "token", id: "a", index: 0, text: "Hello" },
    { type: "token", id: "a", index: 0, text: " world" },
    { type: "token", id: "a", index: 0, text: "!" },
    {
      type: "done",
      id: "a",
      choices: [{ index: 0, finish_reason: "stop", stop_reason: null }],
      usage: {
        prompt_tokens: 2,
        completion_tokens: 3,
        total_tokens: 5,
        prompt_tokens_details: { cached_tokens: 1 },
      },
    },
  ]);
  assert.equal(engine.requests[0]?.params.maxTokens, 16);
});

test("messages, token ids, sampling fields and log-probabilities mean what they mean over HTTP", async (t) => {
  const { client, engine } = await startClient(t);
  client.send(
    { type: "generate", id: "chat", messages: [{ role: "user", content: "x" }], seed: 7, top_k: -1 },
    {
      type: "generate",
      id: "ids",
      prompt_token_ids: [72, 105],
      n: 2,
      max_tokens: 1,
      logprobs: 1,
      return_token_ids: true,
    },
  );
  await client.ended("chat");
  const done = await client.ended("ids");
  assert.deepEqual(engine.requests[0]?.prompt, {
    kind: "chat",
    messages: [{ role: "user", content: "x" }],
    addGenerationPrompt: true,
  });
  assert.deepEqual([engine.requests[0]?.params.maxTokens, engine.requests[0]?.params.seed], [null, 7]);
  const hello = { token: "Hello", logprob: -0.5, bytes: [72, 101, 108, 108, 111] };
  assert.deepEqual(
    client.messages.find((message) => message.id === "ids"),
    {
      type: "token",
      id: "ids",
      index: 0,
      text: "Hello",
      token_ids: [72],
      logprobs: [{ ...hello, top_logprobs: [hello] }],
    },
  );
  assert.deepEqual(done.prompt_token_ids, [72, 105]);
  assert.deepEqual(done.choices, [
    { index: 0, finish_reason: "length", stop_reason: null },
    { index: 1, finish_reason: "length", stop_reason: null },
  ]);
});

test("many requests run at once on one socket", async (t) => {
  const { client, engine } = await startClient(t);
  engine.script = ({ prompt }) => ({ tokens: [..."answer to ", prompt.kind === "text" ? prompt.text : ""] });
  engine.hold();
  const ids = Array.from({ length: 16 }, (_, k) => `r${k}`);
  client.send(...ids.map((id) => ({ type: "generate", id, prompt: id })));
  await engine.until(({ numLive }) => numLive === 16);
  engine.release();
  for (const id of ids) assert.equal((await client.ended(id)).type, "done");
  for (const id of ids) assert.equal(client.textOf(id), `answer to ${id}`);
  // Interleaved: the last request's first token came before the first request's last.
  const order = client.messages.map((message) => `${message.type} ${message.id}`);
  assert.equal(order.indexOf("token r15") < order.indexOf("done r0"), true);
});

test("cancel ends one request and leaves the others alone", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  client.send({ type: "generate", id: "a", prompt: "x" }, { type: "generate", id: "b", prompt: "y" });
  await engine.until(({ numLive }) => numLive === 2);
  client.send({ type: "cancel", id: "unknown" }, { type: "cancel", id: "a" });
  assert.equal((await client.ended("a")).error?.code, "cancelled");
  await engine.until(({ numLive }) => numLive === 1);
  engine.release();
  assert.equal((await client.ended("b")).type, "done");
  assert.equal(client.messages.filter((message) => message.id === "unknown").length, 0);
});

test("an id may be used again after its request, but not while it runs", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  client.send({ type: "generate", id: "a", prompt: "x" });
  await engine.until(({ numLive }) => numLive === 1);
  client.send({ type: "generate", id: "a", prompt: "y" });
  await client.until((messages) => messages.length === 1);
  assert.deepEqual(
    [client.messages[0]?.error?.code, client.messages[0]?.error?.param],
    ["invalid_request", "id"],
  );
  engine.release();
  await client.until((messages) => messages.some(({ type }) => type === "done"));
  client.send({ type: "generate", id: "a", prompt: "z" });
  await client.until((messages) => messages.filter(({ type }) => type === "done").length === 2);
  assert.equal(engine.requests.length, 2);
});

test("a socket has a limit of requests in flight", async (t) => {
  const { client, engine } = await startClient(t, { config: { maxRequestsPerSocket: 2 } });
  engine.hold();
  client.send(...["a", "b", "c"].map((id) => ({ type: "generate", id, prompt: "x" })));
  assert.equal((await client.ended("c")).error?.code, "queue_full");
  engine.release();
  await client.ended("b");
});

test("bad messages get an error that names what is wrong, and the socket stays open", async (t) => {
  const { client, engine } = await startClient(t);
  const generate = (fields: object): object => ({ type: "generate", id: "a", prompt: "x", ...fields });
  const cases: readonly (readonly [unknown, string, string | null, string | null])[] = [
    ["{", "invalid_json", null, null],
    ["", "invalid_json", null, null],
    ["null", "invalid_request", "type", null],
    ["[1]", "invalid_request", "type", null],
    ["[".repeat(10_000) + "]".repeat(10_000), "invalid_request", "type", null],
    [{ type: "generat", id: "a" }, "invalid_request", "type", "a"],
    [{ type: "generate" }, "invalid_request", "id", null],
    [{ type: "cancel" }, "invalid_request", "id", null],
    [generate({ id: 7 }), "invalid_request", "id", null],
    [generate({ id: "" }), "invalid_request", "id", ""],
    [generate({ id: "x".repeat(129) }), "invalid_request", "id", null],
    [generate({ prompt: undefined }), "invalid_request", "prompt", "a"],
    [generate({ prompt: ["x"] }), "invalid_request", "prompt", "a"],
    [generate({ messages: [{ role: "user", content: "x" }] }), "invalid_request", "messages", "a"],
    [generate({ prompt: null, prompt_token_ids: [] }), "invalid_request", "prompt_token_ids", "a"],
    [generate({ temperature: "hot" }), "invalid_request", "temperature", "a"],
    [generate({ temperature: 9 }), "invalid_request", "temperature", "a"],
    [generate({ max_tokns: 1 }), "invalid_request", "max_tokns", "a"],
    [generate({ stream: true }), "invalid_request", "stream", "a"],
    [generate({ model: "other" }), "model_not_found", "model", "a"],
  ];
  for (const [message, code, param, id] of cases) {
    client.messages.length = 0;
    client.send(message);
    await client.until((messages) => messages.length > 0);
    const [answer] = client.messages;
    const what = JSON.stringify(message).slice(0, 60);
    assert.deepEqual(
      [answer?.type, answer?.error?.code, answer?.error?.param, answer?.id],
      ["error", code, param, id],
      what,
    );
  }
  client.messages.length = 0;
  client.socket.send(Buffer.from("{}"));
  await client.until((messages) => messages.length > 0);
  assert.match(client.messages[0]?.error?.message ?? "", /binary/);
  assert.equal(engine.requests.length, 0);
  client.send({ type: "generate", id: "ok", prompt: "x" });
  assert.equal((await client.ended("ok")).type, "done");
});

test("a failure in the engine is the error of its request alone", async (t) => {
  const { client, engine } = await startClient(t);
  engine.script = ({ prompt }) =>
    prompt.kind === "text" && prompt.text === "bad"
      ? { fail: { afterTokens: 1, error: new TroupeError("engine_failed", "Lost.") } }
      : {};
  client.send({ type: "generate", id: "bad", prompt: "bad" }, { type: "generate", id: "good", prompt: "x" });
  assert.deepEqual((await client.ended("bad")).error, {
    message: "Lost.",
    type: "server_error",
    param: null,
    code: "engine_failed",
  });
  assert.equal((await client.ended("good")).type, "done");
});

for (const leave of ["close", "terminate"] as const) {
  test(`a socket that goes away (${leave}) cancels all its requests`, async (t) => {
    const { client, engine } = await startClient(t);
    engine.hold();
    client.send(...["a", "b", "c"].map((id) => ({ type: "generate", id, prompt: "x" })));
    await engine.until(({ numLive, numPulled }) => numLive === 3 && numPulled === 3);
    client.socket[leave]();
    await engine.until(({ cancelled }) => cancelled.length === 3);
    assert.equal(engine.numLive, 0);
  });
}

test("an oversized message closes the socket with 1009", async (t) => {
  const { client, url } = await startClient(t, { config: { maxMessageBytes: 1024 } });
  client.send({ type: "generate", id: "a", prompt: "x".repeat(2048) });
  const [code] = (await once(client.socket, "close")) as [number];
  assert.equal(code, 1009);
  assert.equal((await fetch(`${url}/version`)).status, 200);
});

test("a client that does not read pauses the engine, and gets everything when it reads again", async (t) => {
  const { client, engine } = await startClient(t);
  const numTokens = 20_000;
  engine.script = { tokens: Array.from({ length: numTokens }, () => "x".repeat(1024)) };
  client.socket.pause();
  client.send({ type: "generate", id: "a", prompt: "x", max_tokens: numTokens });
  await engine.until(({ numPulled }) => numPulled > 10);
  let seen = -1;
  while (engine.numPulled !== seen) {
    seen = engine.numPulled;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(seen < numTokens, true, `${seen} events were pulled`);
  client.socket.resume();
  await client.ended("a");
  assert.equal(client.messages.length, numTokens + 1);
});

test("a dead peer is found by pings and its requests are cancelled", async (t) => {
  const clock = new ManualClock();
  const { engine, port } = await startServer(t, { clock });
  const dead = new Client(t, port, "/v1/stream", { autoPong: false });
  const alive = new Client(t, port);
  await Promise.all([once(dead.socket, "open"), once(alive.socket, "open")]);
  engine.hold();
  dead.send({ type: "generate", id: "a", prompt: "x" });
  await engine.until(({ numLive }) => numLive === 1);
  const pings = [once(dead.socket, "ping"), once(alive.socket, "ping")];
  clock.advance(CONFIG.pingIntervalMs);
  await Promise.all(pings);
  // A round trip on the living socket: its pong, sent before, has arrived.
  alive.send("{");
  await alive.until((messages) => messages.length === 1);
  clock.advance(CONFIG.pingIntervalMs);
  await engine.until(({ cancelled }) => cancelled.length === 1);
  alive.send("{");
  await alive.until((messages) => messages.length === 2);
  alive.socket.close();
  await once(alive.socket, "close");
});

test("only /v1/stream upgrades; other upgrade offers stay HTTP", async (t) => {
  const { port, url } = await startServer(t);
  const other = new Client(t, port, "/v1/completions");
  const [error] = (await once(other.socket, "error")) as [Error];
  assert.match(error.message, /405/);
  // Java's HTTP client offers h2c with every request.
  const { request } = await import("node:http");
  const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABk" };
  const [response] = (await once(request(`${url}/version`, { headers }).end(), "response")) as [
    { statusCode: number; resume(): void },
  ];
  response.resume();
  assert.equal(response.statusCode, 200);
});
