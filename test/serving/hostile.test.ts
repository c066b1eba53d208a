/** What no honest client sends: ambiguous requests, broken and compressed frames, floods. The neighbours never notice. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import { startServer } from "./test-server.ts";

/** A second request that hides behind the first: whoever answers it was fooled. */
const HIDDEN = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
const JSON_BODY = "Content-Type: application/json\r\n";
const POST = `POST /v1/completions HTTP/1.1\r\nHost: x\r\n${JSON_BODY}`;

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** Everything the server says before it closes. */
async function answerTo(port: number, bytes: string | Buffer): Promise<string> {
  const socket = await open(port);
  let answer = "";
  socket.on("data", (data: Buffer) => {
    answer += data.toString("latin1");
  });
  socket.write(bytes);
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

for (const [title, bytes] of [
  ["a length and chunks", `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["chunks and a length", `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["two lengths", `${POST}Content-Length: 4\r\nContent-Length: 40\r\n\r\n{}  ${HIDDEN}`],
  ["a list of lengths", `${POST}Content-Length: 4, 4\r\n\r\n{}  ${HIDDEN}`],
  ["a length with a sign", `${POST}Content-Length: +4\r\n\r\n{}  ${HIDDEN}`],
  ["a space before the colon", `${POST}Content-Length : 4\r\n\r\n{}  ${HIDDEN}`],
  ["an unknown coding", `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["chunked not last", `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["chunks that end in bare line feeds", `${POST}Transfer-Encoding: chunked\r\n\r\n0\n\n${HIDDEN}`],
  ["a folded header", `${POST}X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}${HIDDEN}`],
  ["bare line feeds", `${POST.replaceAll("\r", "")}Content-Length: 2\n\n{}${HIDDEN}`],
  ["a null in a header", `${POST}X: a\0b\r\nContent-Length: 2\r\n\r\n{}${HIDDEN}`],
  ["another protocol", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${HIDDEN}`],
  ["two hosts", `GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${HIDDEN}`],
] as const)
  test(`a request with ${title} is refused, and nothing behind it is read`, async (t) => {
    const { engine, port, url } = await startServer(t);
    const answer = await answerTo(port, bytes);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, answer);
    assert.doesNotMatch(answer, /"version"/);
    assert.equal(engine.requests.length, 0);
    assert.equal((await fetch(`${url}/version`)).status, 200);
  });

const UPGRADE =
  "GET /v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/** A client's frame, masked with zeros. */
function frame(firstByte: number, payload: Buffer): Buffer {
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([firstByte, ...length, 0, 0, 0, 0]), payload]);
}

/** The code of the close frame that ends what the server sends; 0 when it ends without one. */
function closeCode(received: Buffer): number {
  const at = received.lastIndexOf(0x88);
  return at < 0 || received[at + 1]! < 2 ? 0 : received.readUInt16BE(at + 2);
}

for (const [title, bytes, code] of [
  ["bytes that are no UTF-8", frame(0x81, Buffer.from([0x22, 0xc3, 0x28, 0x22])), 1007],
  ["a surrogate in UTF-8", frame(0x81, Buffer.from([0xed, 0xa0, 0x80])), 1007],
  ["a compressed frame, which nobody agreed on", frame(0xc1, Buffer.from("CgA=", "base64")), 1002],
  ["an unmasked frame", Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 1002],
  ["an unknown kind of frame", frame(0x83, Buffer.from("x")), 1002],
  ["a ping in pieces", frame(0x09, Buffer.from("x")), 1002],
  ["a ping that is too long", frame(0x89, Buffer.alloc(126)), 1002],
  ["a continuation of nothing", frame(0x80, Buffer.from("x")), 1002],
  [
    "a message in a message",
    Buffer.concat([frame(0x01, Buffer.from("x")), frame(0x81, Buffer.from("y"))]),
    1002,
  ],
  [
    "a length beyond all memory",
    Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]),
    1009,
  ],
  [
    "a message in a hundred thousand pieces",
    Buffer.concat([
      frame(0x01, Buffer.from("x")),
      ...Array<Buffer>(100_000).fill(frame(0x00, Buffer.from("x"))),
    ]),
    1008,
  ],
] as const)
  test(`${title} closes the WebSocket with ${code}, offered compression or not`, async (t) => {
    const { engine, port } = await startServer(t, { config: { maxMessageBytes: 1_000_000 } });
    for (const extension of ["", "Sec-WebSocket-Extensions: permessage-deflate\r\n"]) {
      const socket = await open(port);
      const received: Buffer[] = [];
      socket.on("data", (data: Buffer) => received.push(data));
      socket.write(`${UPGRADE}${extension}\r\n`);
      await once(socket, "data");
      assert.doesNotMatch(String(received[0]), /permessage-deflate/);
      socket.write(bytes);
      // the server waits for the other half of its goodbye
      while (closeCode(Buffer.concat(received).subarray(received[0]!.length)) === 0)
        await once(socket, "data");
      assert.equal(closeCode(Buffer.concat(received).subarray(received[0]!.length)), code);
      socket.destroy();
    }
    assert.equal(engine.requests.length, 0);
  });

test("who sends pings and reads no answer is cut off, and holds no memory", async (t) => {
  const { port, url, engine } = await startServer(t);
  const neighbour = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  await once(neighbour, "open");
  const socket = await open(port);
  socket.write(`${UPGRADE}\r\n`);
  await once(socket, "data");
  socket.pause();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(Buffer.concat(Array<Buffer>(10_000).fill(frame(0x89, Buffer.alloc(125)))));
  await closed;
  neighbour.send(JSON.stringify({ type: "generate", id: "a", prompt: "x" }));
  await once(neighbour, "message");
  await engine.until(({ numLive }) => numLive === 0);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^troupe:websocket_connections(\{.*\})? 1$/m);
  neighbour.terminate();
});

test("five hundred responses at once on one socket: as many as are allowed are answered, the others are told", async (t) => {
  const { engine, port } = await startServer(t, { config: { maxRequestsPerSocket: 64 } });
  engine.hold();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/responses`);
  await once(socket, "open");
  const ends = new Map<string, string>();
  const allRefused = Promise.withResolvers<void>();
  const allEnded = Promise.withResolvers<void>();
  socket.on("message", (data: Buffer) => {
    const {
      type,
      stream_id: lane,
      error,
    } = JSON.parse(data.toString()) as {
      type: string;
      stream_id: string;
      error?: { code: string };
    };
    if (type === "error") ends.set(lane, error!.code);
    else if (type === "response.completed") ends.set(lane, type);
    if (ends.size === 436) allRefused.resolve();
    if (ends.size === 500) allEnded.resolve();
  });
  for (let lane = 0; lane < 500; lane++)
    socket.send(JSON.stringify({ type: "response.create", stream_id: `lane-${lane}`, input: "x" }));
  await allRefused.promise;
  engine.release();
  await allEnded.promise;
  const count = (what: string): number => [...ends.values()].filter((end) => end === what).length;
  assert.deepEqual([count("response.completed"), count("queue_full")], [64, 436]);
  assert.equal(engine.requests.length, 64);
  socket.terminate();
});

test("background responses that are cancelled and deleted by everybody at once leave nothing behind", async (t) => {
  const { engine, url, post } = await startServer(t, { config: { maxRequestsPerClient: 50 } });
  engine.hold();
  const ids = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const response = await post("/v1/responses", { input: "x", background: true });
      return ((await response.json()) as { id: string }).id;
    }),
  );
  const ask = async (id: string, method: string, suffix: string): Promise<number> =>
    (await fetch(`${url}/v1/responses/${id}${suffix}`, { method })).status;
  const statuses = await Promise.all(
    ids.flatMap((id) => [ask(id, "POST", "/cancel"), ask(id, "DELETE", ""), ask(id, "POST", "/cancel")]),
  );
  for (const status of statuses) assert.ok(status === 200 || status === 404, String(status));
  await engine.until(({ numLive }) => numLive === 0);
  for (const id of ids) assert.equal(await ask(id, "GET", ""), 404);
  engine.release();
  assert.equal((await post("/v1/responses", { input: "x" })).status, 200);
});

test("two thousand connections that come and go are all forgotten", async (t) => {
  const { url, port } = await startServer(t, { config: { maxConnections: 500 } });
  for (let round = 0; round < 10; round++) {
    const some = await Promise.all(Array.from({ length: 200 }, () => open(port)));
    for (const [index, socket] of some.entries()) {
      if (index % 3 === 0) socket.write("GET /hea");
      if (index % 3 === 1) socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.resetAndDestroy();
    }
  }
  const numOpen = async (): Promise<number> => {
    const metrics = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
    return Number(/^troupe:connections(?:\{.*\})? (\d+)$/m.exec(metrics)![1]);
  };
  while ((await numOpen()) > 1);
});
