import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { type MindsporeChunk, MindsporeInferenceClient } from "../../src/client/index.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { FakeEngine } from "../serving/fake-engine.ts";
import { startServer } from "../serving/test-server.ts";

async function startClient(t: TestContext, mindsporeReplies: "troupe" | "r2.1" | "dev" = "troupe") {
  const server = await startServer(t, {
    engine: new FakeEngine({ names: ["llama2"] }),
    config: { mindsporeReplies },
  });
  const client = new MindsporeInferenceClient({ modelType: "llama2", serverUrl: server.url });
  return { ...server, client };
}

async function chunksOf(chunks: AsyncIterable<MindsporeChunk>): Promise<MindsporeChunk[]> {
  return await Array.fromAsync(chunks);
}

const tokens = ["Hello", " world", "!"].map((text) => ({ token: { text } }));

for (const form of ["troupe", "r2.1", "dev"] as const) {
  test(`servers that answer as ${form} are understood, whole and streamed`, async (t) => {
    const { client } = await startClient(t, form);
    assert.deepEqual(await client.generate("Hi"), { generatedText: "Hello world!" });
    const all = await chunksOf(client.generateStream("Hi"));
    assert.deepEqual(all, [...tokens, { generatedText: "Hello world!" }]);
    const pieces = await chunksOf(client.generateStream("Hi", { returnFullText: false }));
    assert.deepEqual(
      pieces.filter(({ token }) => token),
      tokens,
    );
    assert.ok(pieces.every(({ generatedText }) => generatedText === undefined));
  });
}

test("the loop of its documentation ends with the whole text", async (t) => {
  const { client } = await startClient(t);
  let text = "";
  for await (const { token, generatedText } of client.generateStream("what is Monetary Policy?", {
    doSample: false,
  })) {
    if (token) text += token.text;
    else text = generatedText!;
  }
  assert.equal(text, "Hello world!");
});

test("defaults are the Python client's, and every option arrives", async (t) => {
  const { client, engine } = await startClient(t);
  await client.generate("a");
  await chunksOf(
    client.generateStream("b", {
      temperature: 0.5,
      topK: 7,
      topP: 0.5,
      maxNewTokens: 2,
      seed: 4,
      stop: ["x"],
    }),
  );
  const [whole, streamed] = engine.requests.map(({ params }) => params);
  assert.deepEqual([whole?.temperature, whole?.maxTokens], [0, 300]);
  const { temperature, topK, topP, maxTokens, seed, stop } = streamed!;
  assert.deepEqual([temperature, topK, topP, maxTokens, seed, stop], [0.5, 7, 0.5, 2, 4, ["x"]]);
});

test("a refusal has the server's code and words", async (t) => {
  const { client, engine, url } = await startClient(t);
  engine.script = { refuse: new TroupeError("queue_full", "Full.") };
  await assert.rejects(client.generate("a"), { code: "queue_full", message: "Full." });
  await assert.rejects(chunksOf(client.generateStream("a")), { code: "queue_full", message: "Full." });
  const other = new MindsporeInferenceClient({ modelType: "org/other", serverUrl: url });
  await assert.rejects(other.generate("a"), {
    code: "model_not_found",
    message: /"org\/other" does not exist/,
  });
});

test("a failure in the middle of a stream is thrown, not taken for its end", async (t) => {
  const { client, engine } = await startClient(t);
  engine.script = { fail: { afterTokens: 1, error: new TroupeError("engine_failed", "Gone.") } };
  await assert.rejects(chunksOf(client.generateStream("a")), { code: "engine_failed", message: "Gone." });
});

test("a key goes into the header; leaving the loop cancels the request", async (t) => {
  const config = { apiKeys: ["secret-key"] };
  const { url, engine } = await startServer(t, { engine: new FakeEngine({ names: ["llama2"] }), config });
  const options = { modelType: "llama2", serverUrl: url };
  await assert.rejects(new MindsporeInferenceClient(options).generate("a"), { code: "unauthorized" });
  const client = new MindsporeInferenceClient({ ...options, token: "secret-key" });
  engine.script = { tokens: ["a", "b"], holdAfterTokens: 1 };
  for await (const _ of client.generateStream("a")) break;
  await engine.until(({ cancelled }) => cancelled.length === 1);
});

test("a server that is gone, or a page that is no server, gets an error that says so", async (t) => {
  const { client, server } = await startClient(t);
  await server.close();
  await assert.rejects(client.generate("a"), { code: "connection_lost", message: /failed or was lost/ });
  const page = createServer(
    (_, response) => void response.writeHead(500, { "content-type": "text/html" }).end("<h1>Oops</h1>"),
  );
  t.after(() => page.close());
  await once(page.listen(0, "127.0.0.1"), "listening");
  const serverUrl = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const other = new MindsporeInferenceClient({ modelType: "llama2", serverUrl });
  await assert.rejects(other.generate("a"), { code: "internal", message: "<h1>Oops</h1>" });
});
