/** With API keys, what one key made is not there for another. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { startServer, type TestServer } from "./test-server.ts";

const KEYS = ["key-number-1", "key-number-2"] as const;
type Ask = (path: string, init?: { method?: string; body?: object; headers?: object }) => Promise<Response>;

async function twoClients(t: TestContext): Promise<TestServer & { mine: Ask; theirs: Ask }> {
  const server = await startServer(t, { config: { apiKeys: [...KEYS] } });
  const as =
    (key: string): Ask =>
    (path, { method = "GET", body, headers } = {}) =>
      fetch(server.url + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
  return { ...server, mine: as(KEYS[0]), theirs: as(KEYS[1]) };
}

async function open(url: string, path: string, key: string): Promise<WebSocket> {
  const socket = new WebSocket(url.replace("http", "ws") + path, {
    headers: { authorization: `Bearer ${key}` },
  });
  await once(socket, "open");
  return socket;
}

const create = (body: object): Parameters<Ask>[1] => ({ method: "POST", body: { input: "x", ...body } });

test("a stored response is there for the key that made it, and 404 for others", async (t) => {
  const { mine, theirs } = await twoClients(t);
  const { id } = (await (await mine("/v1/responses", create({}))).json()) as { id: string };
  const path = `/v1/responses/${id}`;
  const accesses: [string, Parameters<Ask>[1]][] = [
    [path, {}],
    [`${path}?stream=true`, {}],
    [`${path}/input_items`, {}],
    [`${path}/cancel`, { method: "POST", body: {} }],
    ["/v1/responses", create({ previous_response_id: id })],
    [path, { method: "DELETE" }],
  ];
  for (const [where, how] of accesses) {
    const response = await theirs(where, how);
    const { error } = (await response.json()) as { error: { code: string } };
    assert.deepEqual([where, response.status, error.code], [where, 404, "not_found"]);
  }
  for (const [where, how] of accesses) {
    const response = await mine(where, how);
    assert.equal(response.status, 200, `${where}: ${await response.text()}`);
  }
});

test("a response that is being made is nobody else's to read or to cancel", async (t) => {
  const { engine, url, mine, theirs } = await twoClients(t);
  engine.hold();
  const { id } = (await (await mine("/v1/responses", create({ background: true }))).json()) as { id: string };
  const path = `/v1/responses/${id}`;
  for (const [where, method] of [
    [path, "GET"],
    [`${path}?stream=true`, "GET"],
    [`${path}/cancel`, "POST"],
    [path, "DELETE"],
  ] as const)
    assert.equal((await theirs(where, { method })).status, 404, where);
  const socket = await open(url, "/v1/responses", KEYS[1]);
  socket.send(JSON.stringify({ type: "response.cancel", response_id: id }));
  socket.send(JSON.stringify({ type: "response.resume", response_id: id }));
  const [data] = (await once(socket, "message")) as [Buffer];
  assert.match(String(data), /"not_found"/);
  socket.terminate();
  assert.deepEqual(engine.cancelled, []);
  engine.release();
  assert.equal(((await (await mine(path)).json()) as { id: string }).id, id);
});

test("a stream that was lost is taken up by its key alone, over HTTP and WebSocket", async (t) => {
  const { engine, url, mine, theirs } = await twoClients(t);
  const body = { prompt: "x", stream: true, stream_options: { resumable: true } };
  const whole = await (await mine("/v1/completions", { method: "POST", body })).text();
  const [first] = /cmpl-\w+:0/.exec(whole)!;
  const again = { method: "POST", body: {}, headers: { "last-event-id": first } };
  assert.equal((await theirs("/v1/completions", again)).status, 404);
  assert.equal((await mine("/v1/completions", again)).status, 200);

  const read = async (socket: WebSocket): Promise<{ type: string; stream: string }> =>
    JSON.parse(String((await once(socket, "message"))[0])) as { type: string; stream: string };
  engine.hold();
  const [own, other] = [await open(url, "/v1/stream", KEYS[0]), await open(url, "/v1/stream", KEYS[1])];
  own.send(JSON.stringify({ type: "generate", id: "a", prompt: "x", resumable: true }));
  const { stream } = await read(own);
  other.send(JSON.stringify({ type: "resume", id: "b", stream }));
  other.send(JSON.stringify({ type: "cancel", id: "b" }));
  assert.equal((await read(other)).type, "error");
  engine.release();
  assert.equal((await read(own)).type, "token");
  assert.deepEqual(engine.cancelled, []);
  own.terminate();
  other.terminate();
});
