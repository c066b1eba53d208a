/** Real engines behind one server, loaded and unloaded while requests of their neighbour run. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startEngine } from "../../actors/engine.ts";
import { modelConfig, servedNamesOf } from "../../src/config/model-entries.ts";
import { systemClock } from "../../src/core/clock.ts";
import { createServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { type LoadPlan, ModelRegistry } from "../../src/serving/model-registry.ts";
import { modelPath, testConfig } from "../actors/test-engine.ts";
import { CONFIG } from "../serving/test-server.ts";

const ADMIN = "key-of-the-admin";
const PROMPT = "Once upon a time";

async function serve(t: TestContext) {
  const base = testConfig();
  const plan = (entry: unknown): LoadPlan => {
    const options = { what: "body", code: "invalid_request", folder: modelPath("") } as const;
    const config = modelConfig(base, entry, options);
    return { names: servedNamesOf(config.model), start: (signal) => startEngine(config, { signal }) };
  };
  const models = new ModelRegistry({ engines: [await startEngine(base)], plan, drainMs: 20_000 });
  const server = createServer({
    engine: models,
    config: { ...CONFIG, adminKeys: [ADMIN] },
    logger: createLogger({ level: "silent", format: "json" }),
    version: "0",
    clock: systemClock,
  });
  const { url } = await server.listen();
  t.after(async () => {
    await server.close();
    await models.stop({ drainMs: 0 });
  });
  const post = (path: string, body: object, init: RequestInit = {}) =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${ADMIN}` },
      body: JSON.stringify(body),
      ...init,
    });
  const generate = async (model: string, fields: object = {}): Promise<string> => {
    const body = { model, prompt: PROMPT, temperature: 0, max_tokens: 48, ignore_eos: true, ...fields };
    const response = await post("/v1/completions", body);
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    return choices[0]!.text;
  };
  const remove = async (path: string): Promise<number> => {
    const headers = { authorization: `Bearer ${ADMIN}` };
    return (await fetch(`${url}/v1/admin/models/${path}`, { method: "DELETE", headers })).status;
  };
  return { url, models, post, generate, remove };
}

test("models come and go while their neighbour answers, whose text is the same as alone", async (t) => {
  const { models, post, generate, remove } = await serve(t);
  const alone = await generate("understudy");
  const story = { max_tokens: 400 };
  const long = await generate("understudy", story);
  const neighbour = [generate("understudy", story), generate("understudy", story)];
  const load = (name: string, precision: string): Promise<Response> =>
    post("/v1/admin/models", { name, path: "models/understudy", precision, engine: { kvCacheMb: 16 } });
  const loads = await Promise.all([load("w8", "w8"), load("w4", "w4")]);
  assert.deepEqual(
    loads.map(({ status }) => status),
    [200, 200],
  );
  assert.deepEqual(models.names, ["understudy", "w8", "w4"]);
  const begun = generate("w8", story);
  const texts = await Promise.all([generate("w8"), generate("w4"), generate("understudy")]);
  assert.equal(texts[2], alone);
  assert.equal(await remove("w8"), 200);
  assert.equal((await begun).length > 100, true, "what ran has ended before its engine");
  assert.equal((await post("/v1/completions", { model: "w8", prompt: PROMPT })).status, 404);
  assert.deepEqual(await Promise.all(neighbour), [long, long]);
  assert.equal(await generate("w4"), texts[1]);
  assert.equal(await remove("understudy"), 200);
  assert.equal(await generate("w4"), texts[1]);
});

test("requests that run over the drain are cut with a code, and nobody else's", async (t) => {
  const { models, post, generate, remove } = await serve(t);
  const status = await post("/v1/admin/models", { name: "other", path: "models/understudy" });
  assert.equal(status.status, 200);
  const stream = await post("/v1/completions", {
    model: "other",
    prompt: PROMPT,
    max_tokens: 1900,
    ignore_eos: true,
    stream: true,
  });
  const [text, , own] = await Promise.all([
    stream.text(),
    remove("other?drain_ms=0"),
    generate("understudy", { max_tokens: 200 }),
  ]);
  assert.match(text, /"code":"not_ready"/);
  assert.equal(own.length > 50, true);
  assert.deepEqual(models.names, ["understudy"]);
});

test("a folder that is no model, or a broken one, is refused with its code; the one that serves goes on", async (t) => {
  const { post, generate, models } = await serve(t);
  const folder = mkdtempSync(join(tmpdir(), "troupe-broken-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "config.json"), '{"architectures": ["NobodyForCausalLM"]}');
  const code = async (path: string, fields: object = {}): Promise<unknown> => {
    const response = await post("/v1/admin/models", { name: "broken", path, ...fields });
    const { error } = (await response.json()) as { error: { code: string } };
    return [response.status, error.code];
  };
  assert.deepEqual(await code(join(folder, "nothing")), [422, "invalid_model"]);
  assert.deepEqual(await code(folder), [422, "unsupported_model"]);
  const tooLarge = { engine: { maxModelLen: 1_000_000 } };
  assert.deepEqual(await code("models/understudy", tooLarge), [422, "invalid_config"]);
  assert.equal((await generate("understudy")).length > 0, true);
  assert.deepEqual(
    models.entries.map(({ phase }) => phase),
    ["loaded", "failed"],
  );
});
