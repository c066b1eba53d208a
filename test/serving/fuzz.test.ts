import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { WebSocket } from "ws";
import { startServer, type TestServer } from "./test-server.ts";

/** Over all tests of this file; the last one looks. */
const sent = { numBytes: 0 };
const MILLION = 1_000_000;

const ROUTES = [
  ["GET", "/"],
  ["GET", "/health"],
  ["GET", "/ready"],
  ["GET", "/version"],
  ["GET", "/metrics"],
  ["GET", "/v1/models"],
  ["GET", "/v1/models/understudy"],
  ["GET", "/v1/stream"],
  ["GET", "/v1/responses/resp_1"],
  ["DELETE", "/v1/responses/resp_1"],
  ["POST", "/v1/responses/resp_1/cancel"],
  ["GET", "/v1/responses/resp_1/input_items"],
  ["POST", "/v1/completions"],
  ["POST", "/v1/chat/completions"],
  ["POST", "/v1/responses"],
  ["POST", "/tokenize"],
  ["POST", "/detokenize"],
  ["POST", "/"],
  ["POST", "/generate"],
  ["POST", "/generate_stream"],
  ["POST", "/infer"],
  ["POST", "/v2/models/understudy/generate"],
  ["POST", "/v2/models/understudy/infer"],
  ["POST", "/v2/models/understudy/stopInfer"],
  ["POST", "/v1/tokenizer"],
  ["GET", "/v2/models/understudy/getSlotCount"],
  ["GET", "/health/timed-1"],
  ["GET", "/metrics-json"],
] as const;
const POST_PATHS = ROUTES.flatMap(([method, path]) => (method === "POST" ? [path] : []));
const SOCKET_PATHS = ["/v1/stream", "/v1/responses"] as const;

const VALID = JSON.stringify({
  prompt: "x",
  messages: [{ role: "user", content: "x" }],
  input: "x",
  stream: true,
});

/** Sends bytes, ends its side, and resolves when the server has ended the connection: it must not wait for more. */
async function pour(port: number, bytes: Uint8Array): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  // a reset is an answer too
  socket.on("error", () => undefined);
  socket.resume();
  socket.end(bytes);
  sent.numBytes += bytes.length;
  await once(socket, "close");
}

function requestText([method, path]: (typeof ROUTES)[number]): string {
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`;
  if (method !== "POST") return `${head}\r\n`;
  return `${head}Content-Type: application/json\r\nContent-Length: ${VALID.length}\r\n\r\n${VALID}`;
}

function handshake(path: string): string {
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${upgrade}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
}

/** A text frame as a client sends it, masked with zeros. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(payload.length);
  return Buffer.concat([Buffer.of(0x81, 0x80 | 126), length, Buffer.alloc(4), payload]);
}

type Mutation = readonly ["flip" | "cut" | "insert" | "repeat", number, number];
const mutations = fc.array(
  fc.tuple(fc.constantFrom("flip", "cut", "insert", "repeat"), fc.nat(4096), fc.nat(255)),
  { minLength: 1, maxLength: 6 },
) as fc.Arbitrary<Mutation[]>;

function mutate(bytes: Buffer, steps: readonly Mutation[]): Buffer {
  let now = bytes;
  for (const [kind, place, value] of steps) {
    const at = now.length === 0 ? 0 : place % now.length;
    const [before, after] = [now.subarray(0, at), now.subarray(at)];
    if (kind === "flip") now = Buffer.concat([before, Buffer.of(value), after.subarray(1)]);
    else if (kind === "cut") now = Buffer.concat([before, after.subarray(value)]);
    else if (kind === "insert") now = Buffer.concat([before, Buffer.alloc(value, place), after]);
    else now = Buffer.concat([before, after.subarray(0, value), after]);
  }
  return now;
}

const fieldNames = fc.constantFrom(
  ..."type id model prompt prompt_token_ids messages input instructions max_tokens max_output_tokens temperature top_p n".split(
    " ",
  ),
  ..."best_of stop seed logprobs top_logprobs logit_bias stream stream_options echo tools tool_choice response_format".split(
    " ",
  ),
  ..."inputs input_id text_input parameters details do_sample max_new_tokens truncate timeout outputs do_decode".split(
    " ",
  ),
  ..."tokens store background previous_response_id return_token_ids stop_token_ids min_tokens response_id from".split(
    " ",
  ),
);
const values = fc.oneof(
  { maxDepth: 2 },
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(1, 0, -1, true, false, null, "", "x", [], {}, 1e308, [1], ["x"], [[1]]),
  fc.constantFrom<unknown>(
    [{ role: "user", content: "x" }],
    { type: "text" },
    "understudy",
    "generate",
    "auto",
  ),
);
const bodies = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.dictionary(fieldNames, values, { maxKeys: 8 }));

const CLOSING = { "content-type": "application/json", connection: "close" };

/** Nothing is left behind, no bug was logged, and a neighbour is served. */
async function checkHealth({ engine, url, post, log, server }: TestServer): Promise<void> {
  assert.equal((await post("/v1/completions", { prompt: "x" }, { headers: CLOSING })).status, 200);
  await engine.until(({ numLive }) => numLive === 0);
  const open = async (): Promise<string[]> => {
    const text = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
    return [...text.matchAll(/^troupe:(?:connections|websocket_connections)\{.*\} (\d+)$/gm)].map(
      (m) => m[1]!,
    );
  };
  // the connection that asks is one of them
  while ((await open()).some((count, index) => Number(count) > (index === 0 ? 1 : 0)))
    await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    log.filter(({ level }) => Number(level) >= 50),
    [],
  );
  // returns at once, because nothing is in flight
  await server.close({ drainMs: 3_600_000 });
}

test("random bytes as HTTP end in an answer or an end, never in a crash or a wait", async (t) => {
  const started = await startServer(t);
  const { port } = started;
  const noise = fc.uint8Array({ minLength: 2_000, maxLength: 8_000, size: "max" });
  await fc.assert(
    fc.asyncProperty(fc.array(noise, { minLength: 8, maxLength: 8 }), async (payloads) => {
      await Promise.all(payloads.map((bytes) => pour(port, bytes)));
    }),
    { numRuns: 16 },
  );
  await checkHealth(started);
});

test("mutated requests to every route are answered or ended", async (t) => {
  const started = await startServer(t);
  const { port } = started;
  await fc.assert(
    fc.asyncProperty(
      fc.array(mutations, { minLength: ROUTES.length, maxLength: ROUTES.length }),
      async (steps) => {
        const payloads = ROUTES.map((route, index) => mutate(Buffer.from(requestText(route)), steps[index]!));
        await Promise.all(payloads.map((bytes) => pour(port, bytes)));
      },
    ),
    { numRuns: 25 },
  );
  await checkHealth(started);
});

test("any JSON value as a body gets an answer that is JSON or a stream, and never a 5xx", async (t) => {
  const started = await startServer(t);
  const { post } = started;
  await fc.assert(
    fc.asyncProperty(
      fc.array(bodies, { minLength: POST_PATHS.length, maxLength: POST_PATHS.length }),
      async (all) => {
        await Promise.all(
          POST_PATHS.map(async (path, index) => {
            const text = JSON.stringify(all[index]);
            sent.numBytes += text.length;
            const response = await post(path, text, { headers: CLOSING });
            const body = await response.text();
            assert.ok(response.status < 500, `${path} ${text}: ${response.status} ${body}`);
            if (!response.headers.get("content-type")?.startsWith("text/event-stream")) JSON.parse(body);
          }),
        );
      },
    ),
    { numRuns: 60 },
  );
  await checkHealth(started);
});

test("random and mutated frames on both WebSocket protocols end the socket at most", async (t) => {
  const started = await startServer(t);
  const { port } = started;
  const noise = fc.uint8Array({ minLength: 2_000, maxLength: 8_000, size: "max" });
  const message = frame(JSON.stringify({ type: "generate", id: "1", prompt: "x" }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(noise, mutations), { minLength: 6, maxLength: 6 }), async (parts) => {
      const payloads = parts.flatMap(([bytes, steps], index) => {
        const open = Buffer.from(handshake(SOCKET_PATHS[index % 2]!));
        return [
          Buffer.concat([open, bytes]),
          Buffer.concat([open, mutate(message, steps)]),
          mutate(open, steps),
        ];
      });
      await Promise.all(payloads.map((bytes) => pour(port, bytes)));
    }),
    { numRuns: 16 },
  );
  await checkHealth(started);
});

for (const path of SOCKET_PATHS) {
  test(`any JSON message on ${path} is answered, and the socket goes on`, async (t) => {
    const started = await startServer(t);
    const socket = new WebSocket(`ws://127.0.0.1:${started.port}${path}`);
    await once(socket, "open");
    let last = "";
    socket.on("message", (data) => {
      last = String(data);
      assert.equal(typeof (JSON.parse(last) as { type: unknown }).type, "string");
    });
    await fc.assert(
      fc.asyncProperty(fc.array(bodies, { minLength: 10, maxLength: 10 }), async (messages) => {
        for (const message of messages) {
          const text = JSON.stringify(message);
          sent.numBytes += text.length;
          socket.send(text);
        }
        const pong = once(socket, "pong");
        socket.ping();
        await pong;
      }),
      { numRuns: 40 },
    );
    assert.equal(socket.readyState, WebSocket.OPEN);
    assert.notEqual(last, "");
    socket.close();
    await once(socket, "close");
    await checkHealth(started);
  });
}

test("all of it was a million bytes and more", () => {
  assert.ok(sent.numBytes >= MILLION, `${sent.numBytes} bytes`);
});
