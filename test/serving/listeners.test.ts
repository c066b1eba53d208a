import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get, type RequestOptions } from "node:https";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { defaultConfig } from "../../src/config/defaults.ts";
import { parseConfig } from "../../src/config/load-config.ts";
import { planListeners } from "../../src/serving/listeners.ts";
import { startServer } from "./test-server.ts";

const SEPARATE = { management: { port: 0 }, metrics: { port: 0 } };
const file = (name: string): string => fileURLToPath(new URL(`./certificates/${name}`, import.meta.url));
const statusOf = async (url: string): Promise<number> => (await fetch(url)).status;

test("each plane has its routes on its own listener", async (t) => {
  const { url, management, metrics } = await startServer(t, SEPARATE);
  assert.equal(new Set([url, management, metrics]).size, 3);
  const found = async (path: string): Promise<number[]> =>
    Promise.all([url, management!, metrics!].map((base) => statusOf(base + path)));
  assert.deepEqual(await found("/v1/models"), [200, 404, 404]);
  assert.deepEqual(await found("/health"), [200, 200, 404]);
  assert.deepEqual(await found("/metrics"), [200, 404, 200]);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^vllm:num_requests_running\{/m);
  assert.match(await (await fetch(`${metrics}/metrics`)).text(), /^num_requests_running\{/m);
});

test("planes with one address share a listener, in each of the four layouts", () => {
  const plan = (management: [string | null, number], metrics: [string | null, number]) =>
    planListeners(
      parseConfig({
        server: { host: "127.0.0.1", port: 1025 },
        management: { host: management[0], port: management[1] },
        metrics: { host: metrics[0], port: metrics[1] },
      }),
    ).map(({ planes, config }) => `${planes.join("+")} ${config.host}:${config.port}`);
  assert.deepEqual(plan(["127.0.0.2", 1026], ["127.0.0.2", 1027]), [
    "service 127.0.0.1:1025",
    "management 127.0.0.2:1026",
    "metrics 127.0.0.2:1027",
  ]);
  assert.deepEqual(plan(["127.0.0.2", 1025], ["127.0.0.2", 1025]), [
    "service 127.0.0.1:1025",
    "management+metrics 127.0.0.2:1025",
  ]);
  assert.deepEqual(plan([null, 1026], [null, 1026]), [
    "service 127.0.0.1:1025",
    "management+metrics 127.0.0.1:1026",
  ]);
  assert.deepEqual(plan([null, 1025], [null, 1025]), ["service+management+metrics 127.0.0.1:1025"]);
  assert.deepEqual(planListeners(defaultConfig()).length, 1);
});

test("a shared listener has one set of certificates", () => {
  const tls = { tlsCertificate: "a.pem", tlsKey: "a.key" };
  assert.throws(() => parseConfig({ management: { port: 8000, ...tls } }), {
    code: "invalid_config",
    message: /"management\.tlsCertificate": cannot differ from server\.tlsCertificate/,
  });
  assert.doesNotThrow(() => parseConfig({ server: tls, management: { port: 8000, ...tls } }));
  assert.doesNotThrow(() => parseConfig({ server: tls, management: { port: 8000 } }));
  assert.throws(() => parseConfig({ metrics: { port: 1, tlsKey: "a.key" } }), {
    message: /"metrics\.tlsCertificate": is needed for TLS/,
  });
});

test("a listener has certificates of its own, and asks clients for theirs where it names an authority", async (t) => {
  const tls = { tlsCertificate: file("server.pem"), tlsKey: file("server.key") };
  const { url, management } = await startServer(t, {
    management: { port: 0, ...tls, tlsClientCa: file("ca.pem"), tlsRequireClientCertificate: true },
  });
  const ca = readFileSync(file("ca.pem"));
  const own = { cert: readFileSync(file("client.pem")), key: readFileSync(file("client.key")) };
  const ask = async (options: RequestOptions): Promise<string> => {
    const [response] = await once(get(`${management}/ready`, { ca, agent: false, ...options }), "response");
    return await readText(response);
  };
  assert.match(management!, /^https:/);
  assert.match(url, /^http:/);
  assert.equal(await ask(own), '{"status":"ready"}');
  await assert.rejects(ask({}));
});

test("/stopService is on a management listener only", async (t) => {
  const { url } = await startServer(t);
  assert.equal(await statusOf(`${url}/stopService`), 404);
  const separate = await startServer(t, SEPARATE);
  assert.equal(await statusOf(`${separate.url}/stopService`), 404);
  assert.equal(await statusOf(`${separate.metrics}/stopService`), 404);
});

test("/stopService lets running answers end, is answered then, and a second one is refused", async (t) => {
  const { engine, server, url, management, post } = await startServer(t, SEPARATE);
  engine.hold();
  const running = post("/v1/completions", { prompt: "x" });
  await engine.until(({ numLive }) => numLive === 1);
  const stopped = fetch(`${management}/stopService`);
  assert.equal(await server.stopRequested, "drain");
  const closed = server.close({ drainMs: 60_000 });
  assert.equal((await post("/v1/completions", { prompt: "x" })).status, 503);
  assert.equal(await statusOf(`${management}/stopService`), 500);
  assert.equal(await statusOf(`${url}/ready`), 503);
  engine.release();
  assert.equal((await running).status, 200);
  const response = await stopped;
  assert.deepEqual([response.status, await response.text()], [200, ""]);
  await closed;
  await assert.rejects(fetch(`${management}/health`));
});

test("/stopService?mode=Force asks for an end at once; another mode is an error", async (t) => {
  const { server, management } = await startServer(t, SEPARATE);
  assert.equal(await statusOf(`${management}/stopService?mode=Slowly`), 400);
  const stopped = fetch(`${management}/stopService?mode=Force`);
  assert.equal(await server.stopRequested, "force");
  await server.close({ drainMs: 0 });
  assert.equal((await stopped).status, 200);
});

test("API keys are wanted on every listener", async (t) => {
  const { management, metrics } = await startServer(t, { ...SEPARATE, config: { apiKeys: ["12345678"] } });
  const authorization = "Bearer 12345678";
  assert.equal(await statusOf(`${management}/stopService`), 401);
  assert.equal(await statusOf(`${metrics}/metrics`), 401);
  assert.equal((await fetch(`${metrics}/metrics`, { headers: { authorization } })).status, 200);
});

test("/stopService wants an admin key where there are any, and is no web page's", async (t) => {
  const config = { apiKeys: ["12345678"], adminKeys: ["admin-key-1"] };
  const { management, server } = await startServer(t, { ...SEPARATE, config });
  const stop = async (key: string, headers = {}): Promise<number> => {
    const authorization = `Bearer ${key}`;
    return (await fetch(`${management}/stopService`, { headers: { authorization, ...headers } })).status;
  };
  assert.equal(await stop("12345678"), 401);
  assert.equal(await stop("admin-key-1", { "sec-fetch-site": "cross-site" }), 403);
  const stopped = stop("admin-key-1");
  assert.equal(await server.stopRequested, "drain");
  await server.close();
  assert.equal(await stopped, 200);
});

test("a listener whose port is taken is named, and no other stays open", async (t) => {
  const first = await startServer(t);
  const { port } = first;
  await assert.rejects(startServer(t, { management: { port } }), { code: "address_in_use" });
});
