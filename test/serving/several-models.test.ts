import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ModelRegistry } from "../../src/serving/model-registry.ts";
import { FakeEngine } from "./fake-engine.ts";
import { startServer } from "./test-server.ts";

async function serveTwo(t: TestContext) {
  const small = new FakeEngine({ names: ["small", "org/small"], vocabSize: 1000, maxModelLen: 128 });
  const large = new FakeEngine({ names: ["large"], defaultParams: { temperature: 0.5 } });
  small.script = { tokens: ["s"] };
  large.script = { tokens: ["l", "L"] };
  const models = new ModelRegistry({ engines: [small, large] });
  const server = await startServer(t, { models });
  const text = async (path: string, body: object): Promise<string> => {
    const response = await server.post(path, body);
    return await response.text();
  };
  return { ...server, small, large, models, text };
}

const say = [{ role: "user", content: "x" }];

test("a request goes to the model it names, and to the first where it names none", async (t) => {
  const { small, large, text } = await serveTwo(t);
  for (const [path, body] of [
    ["/v1/completions", { prompt: "x" }],
    ["/v1/chat/completions", { messages: say }],
    ["/v1/responses", { input: "x" }],
  ] as const) {
    assert.match(await text(path, body), /"s"/, path);
    assert.match(await text(path, { ...body, model: "org/small" }), /"s"/, path);
    assert.match(await text(path, { ...body, model: "large" }), /"lL"/, path);
  }
  assert.match(await text("/models/large/generate", { inputs: "x" }), /lL/);
  assert.deepEqual([small.requests.length, large.requests.length], [6, 4]);
  assert.equal(large.requests[0]!.params.temperature, 0.5, "its own defaults");
  assert.match(await text("/tokenize", { model: "small", prompt: "x" }), /"max_model_len":128/);
  assert.match(await text("/tokenize", { model: "large", prompt: "x" }), /"max_model_len":2048/);
});

test("ranges are those of the model that is named", async (t) => {
  const { post } = await serveTwo(t);
  const status = async (model: string, ids: number[]): Promise<number> =>
    (await post("/v1/completions", { model, prompt: ids })).status;
  assert.deepEqual(
    [await status("large", [5000]), await status("small", [5000]), await status("small", [50])],
    [200, 400, 200],
  );
});

test("an unknown model is refused with the names of all", async (t) => {
  const { post, url } = await serveTwo(t);
  for (const response of [
    await post("/v1/completions", { model: "huge", prompt: "x" }),
    await post("/v1/chat/completions", { model: "huge", messages: say }),
    await post("/v1/responses", { model: "huge", input: "x" }),
    await fetch(`${url}/v1/models/huge`),
  ]) {
    assert.equal(response.status, 404);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, "model_not_found");
    assert.match(error.message, /"huge" does not exist\. This server serves: small, org\/small, large\./);
  }
});

test("the list of models, metrics by model, and the WebSocket know all of them", async (t) => {
  const { url, text, large } = await serveTwo(t);
  const list = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string; root: string }[] };
  assert.deepEqual(
    list.data.map(({ id, root }) => [id, root]),
    [
      ["small", "small"],
      ["org/small", "small"],
      ["large", "large"],
    ],
  );
  assert.match(await (await fetch(`${url}/v1/models/large`)).text(), /"id":"large"/);
  await text("/v1/completions", { model: "large", prompt: "x" });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^vllm:request_success_total\{finished_reason="stop",model_name="large"\} 1$/m);
  assert.match(metrics, /^vllm:num_requests_running\{model_name="small"\} 0$/m);
  assert.match(metrics, /^vllm:cache_config_info\{[^}]*model_name="large"[^}]*\} 1$/m);
  const names = [...metrics.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!);
  assert.deepEqual(names, [...new Set(names)]);
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/stream`);
  t.after(() => socket.close());
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  socket.send(JSON.stringify({ type: "generate", id: "a", model: "large", prompt: "x" }));
  await large.until(({ requests }) => requests.length === 2);
});

test("a model that is unloaded answers what it has begun, and is not found any more; the others go on", async (t) => {
  const { post, models, small, large, url } = await serveTwo(t);
  large.hold();
  const begun = post("/v1/completions", { model: "large", prompt: "x" });
  await large.until(({ numLive }) => numLive === 1);
  large.stop = async () => {
    await large.until(({ numLive }) => numLive === 0);
    large.state = "stopped";
  };
  const unload = models.unload("large", 1000);
  assert.equal((await post("/v1/completions", { model: "large", prompt: "x" })).status, 404);
  assert.equal((await post("/v1/completions", { model: "small", prompt: "x" })).status, 200);
  large.release();
  assert.match(await (await begun).text(), /"lL"/);
  await unload;
  assert.doesNotMatch(await (await fetch(`${url}/metrics`)).text(), /large/);
  assert.equal(small.state, "ready");
});

test("the server is healthy and ready as long as one of its models is", async (t) => {
  const { url, small, large } = await serveTwo(t);
  const statuses = async (): Promise<number[]> =>
    Promise.all(["/health", "/ready"].map(async (path) => (await fetch(url + path)).status));
  small.state = "failed";
  assert.deepEqual(await statuses(), [200, 200]);
  large.state = "recovering";
  assert.deepEqual(await statuses(), [200, 503]);
  large.state = "failed";
  assert.deepEqual(await statuses(), [503, 503]);
});

test("the stage shows the engine of the model that is named, until that is unloaded", async (t) => {
  const { url, models, large } = await serveTwo(t);
  large.pages = new Uint8Array(7);
  const frames = async (query: string): Promise<string> => {
    const response = await fetch(`${url}/stage${query}`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    t.after(() => reader.cancel());
    return (await reader.read()).value ?? "";
  };
  assert.match(await frames(""), /"num_pages":100/);
  assert.match(await frames("?model=large"), /"num_pages":7/);
  assert.equal((await fetch(`${url}/stage?model=huge`)).status, 404);
  const watching = await fetch(`${url}/stage?model=large`);
  await models.unload("large", 0);
  assert.match(await watching.text(), /"num_pages":7/);
});
