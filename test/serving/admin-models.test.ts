import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ServerConfig } from "../../src/config/config.ts";
import { parse, z } from "../../src/core/schema.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { type LoadPlan, ModelRegistry } from "../../src/serving/model-registry.ts";
import { FakeEngine } from "./fake-engine.ts";
import { startServer } from "./test-server.ts";

const ADMIN = "key-of-the-admin";
const PATH = "/v1/admin/models";

async function serve(t: TestContext, config: Partial<ServerConfig> = { adminKeys: [ADMIN] }) {
  const engine = new FakeEngine({ names: ["first"] });
  const loads: { name: string; resolve: (engine: FakeEngine) => void; reject: (error: Error) => void }[] = [];
  const plan = (entry: unknown): LoadPlan => {
    const { name } = parse(z.strictObject({ name: z.string() }), entry, {
      code: "invalid_request",
      what: "body",
    });
    return {
      names: [name],
      start: () => {
        const { promise, resolve, reject } = Promise.withResolvers<FakeEngine>();
        loads.push({ name, resolve, reject });
        return promise;
      },
    };
  };
  const models = new ModelRegistry({ engines: [engine], plan, drainMs: 5000 });
  const server = await startServer(t, { engine, models, config });
  const call = async (method: string, path = PATH, body?: unknown, key: string | null = ADMIN) => {
    const response = await fetch(server.url + path, {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { ...server, engine, loads, models, call };
}

const until = async (check: () => boolean): Promise<void> => {
  while (!check()) await new Promise((resolve) => setImmediate(resolve));
};
const messageOf = ({ body }: { body: object }): string =>
  (body as { error: { message: string } }).error.message;

test("without adminKeys nobody may manage models, and is told what to set", async (t) => {
  const { call } = await serve(t, { apiKeys: ["an-ordinary-key"] });
  for (const method of ["GET", "POST"])
    for (const key of [null, "an-ordinary-key"]) {
      const answer = await call(method, PATH, method === "POST" ? {} : undefined, key);
      assert.equal(answer.status, 403);
      assert.match(messageOf(answer), /server\.adminKeys/);
    }
});

test("admin keys open these routes and no others, and other keys do not open these", async (t) => {
  const { call, url } = await serve(t, { adminKeys: [ADMIN], apiKeys: ["an-ordinary-key"] });
  assert.equal((await call("GET")).status, 200);
  for (const key of [null, "an-ordinary-key", `${ADMIN}x`]) {
    assert.equal((await call("GET", PATH, undefined, key)).status, 401);
    assert.equal((await call("DELETE", `${PATH}/first`, undefined, key)).status, 401);
  }
  const models = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${ADMIN}` } });
  assert.equal(models.status, 401);
});

test("a model is loaded, listed, served and unloaded", async (t) => {
  const { call, loads, post, url } = await serve(t);
  const loading = call("POST", PATH, { name: "org/second" });
  await until(() => loads.length === 1);
  const states = async () => {
    const { body } = await call("GET");
    return (body.data as { id: string; state: string; is_default: boolean }[]).map((entry) => [
      entry.id,
      entry.state,
      entry.is_default,
    ]);
  };
  assert.deepEqual(await states(), [
    ["first", "ready", true],
    ["org/second", "loading", false],
  ]);
  const second = new FakeEngine({ names: ["org/second"], precision: "w8" });
  second.script = { tokens: ["2"] };
  loads[0]!.resolve(second);
  const { status, body } = await loading;
  assert.equal(status, 200);
  assert.deepEqual([body.id, body.state, body.precision, body.num_pages], ["org/second", "ready", "w8", 100]);
  assert.match(await (await post("/v1/completions", { model: "org/second", prompt: "x" })).text(), /"2"/);
  const gone = await call("DELETE", `${PATH}/org/second?drain_ms=0`);
  assert.deepEqual(gone, { status: 200, body: { id: "org/second", object: "model", deleted: true } });
  assert.equal(second.state, "stopped");
  assert.deepEqual(await states(), [["first", "ready", true]]);
  assert.equal((await fetch(`${url}/v1/models/org/second`)).status, 404);
});

test("a load that fails is told with its code and kept in the list; the model that serves does not notice", async (t) => {
  const { call, loads, post } = await serve(t);
  const loading = call("POST", PATH, { name: "second" });
  await until(() => loads.length === 1);
  loads[0]!.reject(new TroupeError("invalid_model", "config.json is missing"));
  const { status, body } = await loading;
  assert.equal(status, 422);
  assert.deepEqual((body as { error: { code: string } }).error.code, "invalid_model");
  const { data } = (await call("GET")).body as { data: object[] };
  assert.deepEqual(data[1], {
    id: "second",
    object: "model",
    names: ["second"],
    is_default: false,
    state: "failed",
    error: { code: "invalid_model", message: "config.json is missing" },
  });
  assert.equal((await post("/v1/completions", { prompt: "x" })).status, 200);
  assert.equal((await post("/v1/completions", { model: "second", prompt: "x" })).status, 404);
});

test("a bug in a load is logged, and its message stays in the log", async (t) => {
  const { call, loads } = await serve(t);
  const loading = call("POST", PATH, { name: "second" });
  await until(() => loads.length === 1);
  loads[0]!.reject(new RangeError("secret"));
  const answer = await loading;
  assert.equal(answer.status, 500);
  assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
  assert.doesNotMatch(JSON.stringify((await call("GET")).body), /secret/);
});

test("wrong calls are refused: a body, a name in use, an unknown or the last model, a query", async (t) => {
  const { call } = await serve(t);
  const status = async (...args: Parameters<typeof call>): Promise<number> => (await call(...args)).status;
  assert.equal(await status("POST", PATH, { nam: "x" }), 400);
  assert.equal(await status("POST", PATH, []), 400);
  assert.equal(await status("POST", PATH), 400);
  assert.match(messageOf(await call("POST", PATH, { name: "first" })), /first is loaded here/);
  assert.equal(await status("DELETE", `${PATH}/nobody`), 404);
  assert.equal(await status("DELETE", `${PATH}/first`), 400);
  assert.equal(await status("DELETE", `${PATH}/first?drain_ms=soon`), 400);
  assert.equal(await status("DELETE", PATH), 405);
});

test("a caller that goes away does not end its load", async (t) => {
  const { url, loads, models } = await serve(t);
  const abort = new AbortController();
  const call = fetch(url + PATH, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "second" }),
    signal: abort.signal,
  });
  await until(() => loads.length === 1);
  abort.abort();
  await assert.rejects(call, { name: "AbortError" });
  loads[0]!.resolve(new FakeEngine({ names: ["second"] }));
  await until(() => models.find("second") !== null);
});

test("a management listener has these routes too", async (t) => {
  const engine = new FakeEngine({ names: ["first"] });
  const models = new ModelRegistry({ engines: [engine] });
  const config = { adminKeys: [ADMIN] };
  const { management } = await startServer(t, { models, config, management: { port: 0 } });
  const response = await fetch(management + PATH, { headers: { authorization: `Bearer ${ADMIN}` } });
  assert.equal(response.status, 200);
});
