/** The official client is the judge of "as the OpenAI API gives them". */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import OpenAI, {
  APIError,
  APIUserAbortError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from "openai";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { startServer, type TestServer } from "./test-server.ts";

async function startClient(t: TestContext): Promise<TestServer & { readonly client: OpenAI }> {
  const server = await startServer(t);
  return { ...server, client: new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 }) };
}

const messages = [{ role: "user" as const, content: "Hi" }];

test("completions, whole and streamed", async (t) => {
  const { client } = await startClient(t);
  const whole = await client.completions.create({ model: "understudy", prompt: "Hi", logprobs: 1 });
  assert.equal(whole.choices[0]?.text, "Hello world!");
  assert.deepEqual(whole.choices[0]?.logprobs?.tokens, ["Hello", " world", "!"]);
  let text = "";
  for await (const chunk of await client.completions.create({
    model: "understudy",
    prompt: "Hi",
    stream: true,
  }))
    text += chunk.choices[0]?.text ?? "";
  assert.equal(text, "Hello world!");
});

test("chat, whole, streamed and gathered by the client's own runner", async (t) => {
  const { client } = await startClient(t);
  const whole = await client.chat.completions.create({ model: "understudy", messages });
  assert.equal(whole.choices[0]?.message.content, "Hello world!");
  assert.equal(whole.usage?.prompt_tokens_details?.cached_tokens, 1);
  const runner = client.chat.completions.stream({
    model: "understudy",
    messages,
    logprobs: true,
    top_logprobs: 1,
    stream_options: { include_usage: true },
  });
  const gathered = await runner.finalChatCompletion();
  assert.equal(gathered.choices[0]?.message.content, "Hello world!");
  assert.equal(gathered.choices[0]?.finish_reason, "stop");
  assert.equal(gathered.choices[0]?.logprobs?.content?.length, 3);
  assert.equal(gathered.usage?.completion_tokens, 3);
});

test("models", async (t) => {
  const { client } = await startClient(t);
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["understudy", "org/understudy"]);
  assert.equal((await client.models.retrieve("org/understudy")).id, "org/understudy");
  await assert.rejects(client.models.retrieve("other"), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.equal(error.param, "model");
    return true;
  });
});

test("errors arrive as the client's typed classes", async (t) => {
  const { client, engine } = await startClient(t);
  const create = (body: object) => client.chat.completions.create({ model: "understudy", messages, ...body });
  await assert.rejects(create({ temperature: 9 }), (error) => {
    assert.ok(error instanceof BadRequestError);
    assert.deepEqual(
      [error.type, error.param, error.code],
      ["invalid_request_error", "temperature", "invalid_request"],
    );
    return true;
  });
  await assert.rejects(create({ model: "other" }), NotFoundError);
  engine.script = { refuse: new TroupeError("queue_full", "Full.") };
  await assert.rejects(create({}), RateLimitError);
  engine.script = { refuse: new TroupeError("not_ready", "Starting.") };
  await assert.rejects(create({}), InternalServerError);
  engine.script = { fail: { afterTokens: 1, error: new TroupeError("engine_failed", "Lost.") } };
  const stream = await client.chat.completions.create({ model: "understudy", messages, stream: true });
  await assert.rejects(Array.fromAsync(stream), (error) => {
    assert.ok(error instanceof APIError);
    assert.equal(error.code, "engine_failed");
    return true;
  });
});

test("the client does not retry a bug of the server", async (t) => {
  const { engine, url } = await startClient(t);
  const client = new OpenAI({ apiKey: "none", baseURL: `${url}/v1`, maxRetries: 2 });
  engine.script = { refuse: new TroupeError("internal", "A bug.") };
  await assert.rejects(
    client.chat.completions.create({ model: "understudy", messages }),
    InternalServerError,
  );
  assert.equal(engine.requests.length, 1);
});

test("aborting cancels in the engine, streamed or not", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  const controller = new AbortController();
  const whole = client.chat.completions.create(
    { model: "understudy", messages },
    { signal: controller.signal },
  );
  await engine.until(({ numPulled }) => numPulled === 1);
  controller.abort();
  await assert.rejects(whole, APIUserAbortError);
  await engine.until(({ cancelled }) => cancelled.length === 1);
  const stream = await client.chat.completions.create({ model: "understudy", messages, stream: true });
  for await (const _ of stream) break;
  await engine.until(({ cancelled }) => cancelled.length === 2);
  assert.equal(engine.numLive, 0);
});
