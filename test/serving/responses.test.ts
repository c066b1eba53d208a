/** The official client is the judge of the Responses API. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import OpenAI, {
  APIError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from "openai";
import type { Response as ApiResponse, ResponseStreamEvent } from "openai/resources/responses/responses";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { startServer, type TestServer } from "./test-server.ts";

type Options = Parameters<typeof startServer>[1];

async function startClient(
  t: TestContext,
  options: Options = {},
): Promise<TestServer & { readonly client: OpenAI }> {
  const server = await startServer(t, options);
  return { ...server, client: new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 }) };
}

const ask = { model: "understudy", input: "Hi" };

test("a response as a whole", async (t) => {
  const { client, engine } = await startClient(t);
  const response = await client.responses.create({
    ...ask,
    instructions: "Be brief.",
    temperature: 0.5,
    top_p: 0.9,
    max_output_tokens: 9,
    metadata: { topic: "greeting" },
    user: "me",
  });
  assert.equal(response.output_text, "Hello world!");
  const { output_text: _, ...wire } = response;
  assert.deepEqual(wire, {
    id: "resp_id1",
    object: "response",
    created_at: 1_750_000_000,
    completed_at: 1_750_000_000,
    status: "completed",
    model: "understudy",
    access_programs: null,
    background: false,
    conversation: null,
    error: null,
    incomplete_details: null,
    instructions: "Be brief.",
    max_output_tokens: 9,
    max_tool_calls: null,
    metadata: { topic: "greeting" },
    output: [
      {
        id: "msg_id1",
        type: "message",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: "Hello world!", annotations: [] }],
      },
    ],
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    service_tier: "default",
    temperature: 0.5,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [],
    top_logprobs: 0,
    top_p: 0.9,
    truncation: "disabled",
    usage: {
      input_tokens: 25,
      input_tokens_details: { cached_tokens: 1, cache_write_tokens: 0 },
      output_tokens: 3,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 28,
    },
    user: "me",
  });
  const { prompt, params } = engine.requests[0]!;
  assert.deepEqual(prompt, {
    kind: "chat",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi" },
    ],
  });
  assert.deepEqual([params.temperature, params.topP, params.maxTokens], [0.5, 0.9, 9]);
});

test("a stream has OpenAI's events in OpenAI's order, numbered", async (t) => {
  const { client } = await startClient(t);
  const events: ResponseStreamEvent[] = [];
  for await (const event of await client.responses.create({ ...ask, stream: true })) events.push(event);
  assert.deepEqual(
    events.map(({ type }) => type),
    [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ],
  );
  assert.deepEqual(
    events.map(({ sequence_number }) => sequence_number),
    [...events.keys()],
  );
});

test("what the client's own runner gathers is the final response", async (t) => {
  const { client } = await startClient(t);
  const include = ["message.output_text.logprobs" as const];
  const runner = client.responses.stream({ ...ask, include, top_logprobs: 2 });
  const deltas: string[] = [];
  const snapshots: string[] = [];
  let last: ApiResponse | undefined;
  runner.on("response.output_text.delta", ({ delta, snapshot }) => {
    deltas.push(delta);
    snapshots.push(snapshot);
  });
  runner.on("response.completed", ({ response }) => {
    last = response;
  });
  const gathered = await runner.finalResponse();
  assert.equal(gathered.output_text, "Hello world!");
  assert.deepEqual(snapshots, ["Hello", "Hello world", "Hello world!"]);
  assert.equal(deltas.join(""), gathered.output_text);
  const retrieved = await client.responses.retrieve(gathered.id);
  for (const other of [last, retrieved]) {
    assert.equal(other?.status, "completed");
    assert.deepEqual(other?.usage, gathered.usage);
    assert.equal(JSON.stringify(other?.output), JSON.stringify(retrieved.output));
  }
  const [item] = retrieved.output;
  const part = item?.type === "message" ? item.content[0] : undefined;
  assert.equal(part?.type === "output_text" && part.logprobs?.length, 3);
});

test("an answer that is cut off by its limit is incomplete", async (t) => {
  const { client } = await startClient(t);
  const response = await client.responses.create({ ...ask, max_output_tokens: 2 });
  assert.equal(response.output_text, "Hello world");
  assert.deepEqual(
    [response.status, response.incomplete_details, response.completed_at],
    ["incomplete", { reason: "max_output_tokens" }, null],
  );
  const runner = client.responses.stream({ ...ask, max_output_tokens: 2 });
  assert.equal((await runner.finalResponse()).status, "incomplete");
});

test("a conversation goes on from a stored response, without its instructions", async (t) => {
  const { client, engine } = await startClient(t);
  const first = await client.responses.create({ ...ask, instructions: "Be brief." });
  const second = await client.responses.create({ ...ask, input: "More", previous_response_id: first.id });
  await client.responses.create({
    model: "understudy",
    input: [{ role: "developer", content: [{ type: "input_text", text: "Rhyme." }] }],
    previous_response_id: second.id,
  });
  const { prompt } = engine.requests[2]!;
  assert.deepEqual(prompt.kind === "chat" && prompt.messages, [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello world!" },
    { role: "user", content: "More" },
    { role: "assistant", content: "Hello world!" },
    { role: "system", content: "Rhyme." },
  ]);
});

test("an answer can be given back as input", async (t) => {
  const { client, engine } = await startClient(t);
  const first = await client.responses.create(ask);
  const message = first.output[0]!;
  assert.ok(message.type === "message");
  await client.responses.create({ ...ask, input: [message, { role: "user", content: "More" }] });
  const { prompt } = engine.requests[1]!;
  assert.deepEqual(prompt.kind === "chat" && prompt.messages, [
    { role: "assistant", content: "Hello world!" },
    { role: "user", content: "More" },
  ]);
});

test("without store a response is known to nobody afterwards", async (t) => {
  const { client } = await startClient(t);
  const response = await client.responses.create({ ...ask, store: false });
  await assert.rejects(client.responses.retrieve(response.id), NotFoundError);
  await assert.rejects(
    client.responses.create({ ...ask, previous_response_id: response.id }),
    (error) => error instanceof NotFoundError && error.param === "previous_response_id",
  );
});

test("a response is deleted, and its input listed page by page", async (t) => {
  const { client } = await startClient(t);
  const input = ["a", "b", "c"].map((content) => ({ role: "user" as const, content }));
  const { id } = await client.responses.create({ ...ask, input });
  const texts: string[] = [];
  for await (const item of client.responses.inputItems.list(id, { order: "asc", limit: 2 })) {
    assert.ok(item.type === "message" && item.role === "user");
    texts.push(item.content[0]?.type === "input_text" ? item.content[0].text : "");
  }
  assert.deepEqual(texts, ["a", "b", "c"]);
  const page = await client.responses.inputItems.list(id);
  assert.deepEqual([page.data.length, page.has_more, page.data[0]?.type], [3, false, "message"]);
  await assert.rejects(client.responses.inputItems.list(id, { after: "nobody" }), BadRequestError);
  await client.responses.delete(id);
  await assert.rejects(client.responses.delete(id), NotFoundError);
  await assert.rejects(client.responses.retrieve(id), NotFoundError);
});

test("in the background a response is made while nobody is connected", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  const begun = await client.responses.create({ ...ask, background: true });
  assert.equal(begun.status, "in_progress");
  assert.equal((await client.responses.retrieve(begun.id)).status, "in_progress");
  engine.release();
  await engine.until(({ numLive }) => numLive === 0);
  const done = await client.responses.retrieve(begun.id);
  assert.deepEqual([done.status, done.output_text, done.background], ["completed", "Hello world!", true]);
  await assert.rejects(client.responses.create({ ...ask, background: true, store: false }), BadRequestError);
});

test("responses in the background count toward their client's limit until they end", async (t) => {
  const { client, engine } = await startClient(t, { config: { maxRequestsPerClient: 2 } });
  engine.hold();
  const { id } = await client.responses.create({ ...ask, background: true });
  await client.responses.create({ ...ask, background: true });
  await assert.rejects(client.responses.create({ ...ask, background: true }), RateLimitError);
  assert.equal((await client.responses.retrieve(id)).status, "in_progress");
  engine.release();
  await engine.until(({ numLive }) => numLive === 0);
  assert.equal((await client.responses.retrieve(id)).status, "completed");
});

test("a background stream goes on without its reader, and can be read again from any event", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  const stream = await client.responses.create({ ...ask, background: true, stream: true });
  let id = "";
  for await (const event of stream) {
    if (event.type === "response.created") id = event.response.id;
    else break;
  }
  engine.release();
  await engine.until(({ numLive }) => numLive === 0);
  const rest = await client.responses.retrieve(id, { stream: true, starting_after: 4 });
  const events = await Array.fromAsync(rest);
  assert.deepEqual(
    events.map(({ sequence_number }) => sequence_number),
    [5, 6, 7, 8, 9, 10],
  );
  const replayed = client.responses.stream({ response_id: id, starting_after: 3 });
  const seen: number[] = [];
  replayed.on("event", ({ sequence_number }) => seen.push(sequence_number));
  assert.equal((await replayed.finalResponse()).output_text, "Hello world!");
  assert.deepEqual(seen, [4, 5, 6, 7, 8, 9, 10]);
});

test("a response is cancelled by its id, and stays as it was when it has ended", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  const begun = await client.responses.create({ ...ask, background: true });
  const cancelled = await client.responses.cancel(begun.id);
  assert.equal(cancelled.status, "cancelled");
  assert.equal(engine.cancelled.length, 1);
  assert.equal((await client.responses.cancel(begun.id)).status, "cancelled");
  engine.release();
  const done = await client.responses.create(ask);
  assert.equal((await client.responses.cancel(done.id)).status, "completed");
  await assert.rejects(client.responses.cancel("resp_nobody"), NotFoundError);
});

test("the stream of a cancelled response ends with a last event of that status", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  const runner = client.responses.stream(ask);
  runner.on("response.created", ({ response }) => void client.responses.cancel(response.id));
  const final = await runner.finalResponse();
  assert.deepEqual([final.status, final.output], ["cancelled", []]);
});

test("a client that leaves cancels a response that is not in the background, streamed or not", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  for await (const _ of await client.responses.create({ ...ask, stream: true })) break;
  await engine.until(({ cancelled }) => cancelled.length === 1);
  const controller = new AbortController();
  const whole = client.responses.create(ask, { signal: controller.signal });
  await engine.until(({ numLive }) => numLive === 1);
  controller.abort();
  await assert.rejects(whole);
  await engine.until(({ cancelled }) => cancelled.length === 2);
});

test("a stopping server takes no new responses, and those in the background can be awaited", async (t) => {
  const { client, engine, server } = await startClient(t);
  engine.hold();
  const { id } = await client.responses.create({ ...ask, background: true });
  const closing = server.close({ drainMs: 60_000 });
  await assert.rejects(client.responses.create(ask), InternalServerError);
  const stream = await client.responses.retrieve(id, { stream: true });
  engine.release();
  const events = await Array.fromAsync(stream);
  assert.equal(events.at(-1)?.type, "response.completed");
  await closing;
});

test("deleting a response that is being made cancels it", async (t) => {
  const { client, engine } = await startClient(t);
  engine.hold();
  const { id } = await client.responses.create({ ...ask, background: true });
  await client.responses.delete(id);
  await engine.until(({ cancelled }) => cancelled.length === 1);
  await assert.rejects(client.responses.retrieve(id), NotFoundError);
});

test("a failure is a status before the first event, and an event after it", async (t) => {
  const { client, engine } = await startClient(t);
  engine.script = { refuse: new TroupeError("queue_full", "Full.") };
  for (const stream of [false, true])
    await assert.rejects(client.responses.create({ ...ask, stream }), RateLimitError);
  engine.script = { fail: { afterTokens: 1, error: new TroupeError("engine_failed", "Lost.") } };
  await assert.rejects(
    client.responses.create(ask),
    (error) => error instanceof APIError && error.status === 503,
  );
  const final = await client.responses.stream(ask).finalResponse();
  assert.deepEqual(
    [final.status, final.error, final.output_text],
    ["failed", { code: "server_error", message: "Lost." }, "Hello"],
  );
});

test("stored responses are forgotten after their time", async (t) => {
  const clock = new ManualClock();
  const { client } = await startClient(t, { clock, config: { storedResponseTtlMs: 1000 } });
  const { id } = await client.responses.create(ask);
  clock.advance(999);
  await client.responses.retrieve(id);
  clock.advance(1);
  await assert.rejects(client.responses.retrieve(id), NotFoundError);
});

test("truncation leaves out the oldest messages, and only as many as it must", async (t) => {
  const { client, engine } = await startClient(t);
  const input = Array.from({ length: 50 }, (_, k) => ({ role: "user" as const, content: `${k}`.repeat(50) }));
  await client.responses.create({ ...ask, input, instructions: "Stay.", truncation: "auto" });
  const { prompt } = engine.requests[0]!;
  assert.ok(prompt.kind === "chat");
  assert.deepEqual(prompt.messages[0], { role: "system", content: "Stay." });
  assert.deepEqual(prompt.messages.at(-1), { role: "user", content: "49".repeat(50) });
  const length = (messages: readonly { role: string; content: string | null }[]): number =>
    messages.reduce((sum, { role, content }) => sum + role.length + 2 + (content?.length ?? 0), 0);
  assert.ok(length(prompt.messages) + 1 <= 2048);
  const numLeftOut = input.length + 1 - prompt.messages.length;
  assert.ok(length([...prompt.messages, input[numLeftOut - 1]!]) + 1 > 2048);
});

const REFUSED: readonly (readonly [string, object, string])[] = [
  ["an unknown field", { temprature: 1 }, "temprature"],
  ["no input", { input: undefined }, "input"],
  ["an image", { input: [{ role: "user", content: [{ type: "input_image" }] }] }, "input[0].content[0]"],
  ["another item", { input: [{ type: "computer_call_output", call_id: "1", output: {} }] }, "input[0]"],
  ["a result without a call", { input: [{ type: "function_call_output", output: "" }] }, "input[0].call_id"],
  [
    "a call without arguments",
    { input: [{ type: "function_call", call_id: "1", name: "f" }] },
    "input[0].arguments",
  ],
  ["a role that is none", { input: [{ role: "robot", content: "x" }] }, "input[0].role"],
  ["a number as input", { input: 7 }, "input"],
  ["another tool", { tools: [{ type: "web_search" }] }, "tools[0].type"],
  ["a tool without a name", { tools: [{ type: "function" }] }, "tools[0].name"],
  ["a call of nothing", { tool_choice: "required" }, "tool_choice"],
  ["a conversation", { conversation: "conv_1" }, "conversation"],
  ["another form", { text: { format: { type: "grammar" } } }, "text.format"],
  ["a form without a schema", { text: { format: { type: "json_schema", name: "x" } } }, "text.format.schema"],
  [
    "a schema that cannot be kept",
    { text: { format: { type: "json_schema", name: "x", schema: { not: {} } } } },
    "text.format.schema.not",
  ],
  ["reasoning", { reasoning: { effort: "high" } }, "reasoning.effort"],
  ["no tokens", { max_output_tokens: 0 }, "max_output_tokens"],
  ["too many alternatives", { top_logprobs: 21 }, "top_logprobs"],
  ["long metadata", { metadata: { key: "x".repeat(513) } }, "metadata"],
  ["a resumable stream that is none", { stream_options: { resumable: true } }, "stream_options"],
  ["several answers", { n: 2 }, "n"],
];

for (const [what, fields, param] of REFUSED) {
  test(`${what} is refused, naming ${param}`, async (t) => {
    const { post } = await startServer(t);
    const response = await post("/v1/responses", { ...ask, ...fields });
    const { error } = (await response.json()) as { error: { param: string; message: string } };
    assert.deepEqual([response.status, error.param], [400, param], error.message);
  });
}

test("queries are checked", async (t) => {
  const { client, url } = await startClient(t);
  const { id } = await client.responses.create(ask);
  for (const query of ["strem=true", "starting_after=1", "stream=true&starting_after=x"])
    assert.equal((await fetch(`${url}/v1/responses/${id}?${query}`)).status, 400, query);
  const wrong = await fetch(`${url}/v1/responses/${id}?stream=true&starting_after=99`);
  assert.equal(wrong.status, 400);
  assert.equal((await fetch(`${url}/v1/responses/${id}/input_items?limit=0`)).status, 400);
  assert.equal(
    (await fetch(`${url}/v1/responses/${id}`, { method: "PUT" })).headers.get("allow"),
    "GET, DELETE, HEAD, OPTIONS",
  );
});

test("generate false takes the conversation in and says nothing", async (t) => {
  const { client, engine, post } = await startClient(t);
  const prepared = (await (await post("/v1/responses", { ...ask, generate: false })).json()) as ApiResponse;
  assert.deepEqual([prepared.status, prepared.output, engine.requests.length], ["completed", [], 0]);
  await client.responses.create({ ...ask, input: "Go on", previous_response_id: prepared.id });
  const { prompt } = engine.requests[0]!;
  assert.equal(prompt.kind === "chat" && prompt.messages.length, 2);
});
