import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { networkOf } from "../../src/serving/address.ts";
import { readApiKeys } from "../../src/serving/api-keys.ts";
import { startServer } from "./test-server.ts";

const KEY = "key-of-the-test";

function bearer(key: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${key}`, "content-type": "application/json" } };
}

/** 101, or the status that refused it. */
async function connectStatus(url: string, options: object = {}, protocols: string[] = []): Promise<number> {
  const socket = new WebSocket(url, protocols, options);
  const opened = once(socket, "open").then(() => 101);
  const refused = new Promise<number>((resolve) =>
    socket.once("unexpected-response", (_, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }),
  );
  opened.catch(() => undefined);
  const status = await Promise.race([opened, refused]);
  socket.on("error", () => undefined);
  socket.terminate();
  return status;
}

test("with keys, every route but health, ready and the files of the playground wants one", async (t) => {
  const { url, post } = await startServer(t, { config: { apiKeys: ["another-key", KEY] } });
  const status = async (path: string, init: RequestInit = {}): Promise<number> =>
    (await fetch(url + path, init)).status;
  for (const path of ["/health", "/ready", "/"]) assert.equal(await status(path), 200, path);
  for (const path of [
    "/stage",
    "/metrics",
    "/version",
    "/v1/models",
    "/v1/models/understudy",
    "/v1/stream",
    "/nothing",
  ])
    assert.equal(await status(path), 401, path);
  assert.equal((await post("/v1/completions", { prompt: "x" })).status, 401);
  assert.equal((await post("/v1/completions", { prompt: "x" }, bearer(KEY))).status, 200);
  assert.equal(await status("/v1/models", bearer(KEY)), 200);
  assert.equal(await status("/v1/models", { headers: { authorization: `bearer  ${KEY}` } }), 200);
});

test("a wrong key is told what is wrong, in the one error form, before its body is read", async (t) => {
  const { engine, url } = await startServer(t, { config: { apiKeys: [KEY] } });
  for (const authorization of [
    `Bearer ${KEY}x`,
    `Bearer ${KEY.slice(1)}`,
    `Basic ${KEY}`,
    "Bearer",
    KEY,
    "Bearer a b",
  ]) {
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: "not json",
    });
    assert.equal(response.status, 401, authorization);
    assert.equal(response.headers.get("www-authenticate"), "Bearer");
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    assert.equal(error.code, "invalid_api_key");
    assert.equal(error.type, "invalid_request_error");
    assert.equal(JSON.stringify(error).includes(KEY), false);
  }
  assert.equal(engine.requests.length, 0);
});

test("a WebSocket brings its key as a header or, from a browser, as a subprotocol that is not sent back", async (t) => {
  const { port } = await startServer(t, { config: { apiKeys: [KEY] } });
  const url = `ws://127.0.0.1:${port}/v1/stream`;
  assert.equal(await connectStatus(url), 401);
  assert.equal(await connectStatus(url, bearer("wrong-key")), 401);
  assert.equal(await connectStatus(url, bearer(KEY)), 101);
  const socket = new WebSocket(url, ["troupe", `openai-insecure-api-key.${KEY}`]);
  await once(socket, "open");
  assert.equal(socket.protocol, "troupe");
  socket.terminate();
});

function keyFile(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "troupe-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "keys"), text);
  return join(folder, "keys");
}

test("keys of a file count beside those of the configuration", (t) => {
  const keys = readApiKeys({
    apiKeys: [KEY],
    apiKeyFile: keyFile(t, "# ours\n\n  second-key \r\nthird-key\n"),
  });
  assert.deepEqual(
    [KEY, "second-key", "third-key", "# ours", ""].map((key) => keys.indexOf(key)),
    [0, 1, 2, -1, -1],
  );
  assert.equal(readApiKeys({ apiKeys: [], apiKeyFile: null }).isRequired, false);
});

for (const [title, text, message] of [
  ["no key at all", "# nothing\n", /holds no API key/],
  ["a line that is no key", "good-key-1\nshort\n", /:2: a key must be 8 to 512/],
  ["a key with a space", "good key 1\n", /:1: a key must be/],
] as const) {
  test(`a key file with ${title} does not leave the server open`, (t) => {
    const apiKeyFile = keyFile(t, text);
    assert.throws(
      () => readApiKeys({ apiKeys: [], apiKeyFile }),
      (error) => {
        assert.ok(error instanceof TroupeError && error.code === "invalid_config");
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test("a key file that is missing is named", () => {
  assert.throws(() => readApiKeys({ apiKeys: [], apiKeyFile: "/no/such/file" }), { code: "file_error" });
});

const PAGE = "https://chat.example.com";

test("CORS: pages of allowed origins may read answers, errors and streams too; others may not", async (t) => {
  const { url, post } = await startServer(t, { config: { allowedOrigins: [PAGE], apiKeys: [KEY] } });
  const from = (origin: string, key = KEY): { headers: Record<string, string> } => ({
    headers: { ...bearer(key).headers, origin },
  });
  for (const response of [
    await fetch(`${url}/v1/models`, from(PAGE)),
    await fetch(`${url}/v1/models`, from(PAGE, "wrong-key")),
    await fetch(`${url}/nothing`, from(PAGE)),
    await post("/v1/completions", { prompt: "x", stream: true }, from(PAGE)),
  ]) {
    assert.equal(response.headers.get("access-control-allow-origin"), PAGE);
    assert.match(response.headers.get("access-control-expose-headers") ?? "", /x-request-id/);
    assert.equal(response.headers.get("access-control-allow-credentials"), null);
    assert.equal(response.headers.get("vary"), "Origin");
    await response.text();
  }
  const other = await fetch(`${url}/v1/models`, from("https://evil.example.com"));
  assert.equal(other.headers.get("access-control-allow-origin"), null);
  assert.equal(other.headers.get("vary"), "Origin");
});

test("CORS: a preflight needs no key and is refused to other origins", async (t) => {
  const { url } = await startServer(t, {
    config: { allowedOrigins: [PAGE], allowCredentials: true, apiKeys: [KEY] },
  });
  const preflight = (origin: string): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-lang",
      },
    });
  const good = await preflight(PAGE);
  assert.equal(good.status, 204);
  assert.equal(good.headers.get("access-control-allow-origin"), PAGE);
  assert.equal(good.headers.get("access-control-allow-credentials"), "true");
  assert.match(good.headers.get("access-control-allow-methods") ?? "", /POST/);
  assert.equal(
    good.headers.get("access-control-allow-headers"),
    "authorization,content-type,x-stainless-lang",
  );
  const bad = await preflight("https://evil.example.com");
  assert.equal(bad.status, 403);
  assert.equal(((await bad.json()) as { error: { code: string } }).error.code, "forbidden");
});

test('CORS: "*" lets every page in', async (t) => {
  const { url } = await startServer(t, { config: { allowedOrigins: ["*"] } });
  const response = await fetch(`${url}/version`, { headers: { origin: PAGE } });
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
});

test("a WebSocket from a page of another origin is refused unless the origin is allowed", async (t) => {
  const { port } = await startServer(t, { config: { allowedOrigins: [PAGE] } });
  const url = `ws://127.0.0.1:${port}/v1/stream`;
  const cases = [
    [undefined, 101],
    [PAGE, 101],
    [`http://127.0.0.1:${port}`, 101],
    ["https://evil.example.com", 403],
    [`${PAGE}.evil.example.com`, 403],
    [`http://127.0.0.1:${port + 1}`, 403],
    ["null", 403],
    ["nonsense", 403],
  ] as const;
  for (const [origin, status] of cases)
    assert.equal(await connectStatus(url, origin === undefined ? {} : { origin }), status, origin);
});

test("limits by address take an IPv6 network as one, and a mapped IPv4 address as itself", () => {
  for (const [address, network] of [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::1", "::1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["unknown", "unknown"],
  ] as const)
    assert.equal(networkOf(address), network);
});
