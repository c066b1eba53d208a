/** Tools and the form of answers through the official client. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import OpenAI from "openai";
import { FakeEngine } from "./fake-engine.ts";
import { startServer } from "./test-server.ts";

const messages = [{ role: "user" as const, content: "Weather in Paris?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function" as const, function: { name: "get_weather", parameters } }];
const CALLS = [
  "I look",
  " it up. ",
  "<tool",
  '_call>{"name": "get_',
  'weather", "argu',
  'ments": {"city": "Par',
  'is"}}</tool_call>',
  "\n",
  '<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>',
];

async function start(t: TestContext, engine = new FakeEngine()) {
  const server = await startServer(t, { engine });
  engine.script = { tokens: CALLS };
  return {
    ...server,
    client: new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 }),
  };
}

test("calls come as tool_calls, whole and streamed, and the client gathers the same", async (t) => {
  const { client } = await start(t);
  const request = { model: "understudy", messages, tools };
  const whole = await client.chat.completions.create(request);
  const gathered = await client.chat.completions.stream(request).finalChatCompletion();
  for (const { choices } of [whole, gathered]) {
    const { message, finish_reason: reason } = choices[0]!;
    assert.equal(reason, "tool_calls");
    assert.equal(message.content, "I look it up.");
    assert.deepEqual(
      message.tool_calls?.map(
        (call) => call.type === "function" && [call.function.name, call.function.arguments],
      ),
      [
        ["get_weather", '{"city": "Paris"}'],
        ["get_weather", "{}"],
      ],
    );
    assert.equal(new Set(message.tool_calls?.map(({ id }) => id)).size, 2);
  }
});

test("a stream gives the name first, then the arguments in pieces, and no mark as content", async (t) => {
  const { client } = await start(t);
  const stream = await client.chat.completions.create({ model: "understudy", messages, tools, stream: true });
  const deltas = [];
  for await (const { choices } of stream) deltas.push(choices[0]!.delta);
  assert.equal(deltas.map(({ content }) => content ?? "").join(""), "I look it up.");
  const [first, ...pieces] = deltas
    .flatMap(({ tool_calls: calls }) => calls ?? [])
    .filter(({ index }) => index === 0);
  assert.deepEqual([first?.type, first?.function], ["function", { name: "get_weather", arguments: "" }]);
  assert.ok(pieces.length >= 2);
  assert.equal(pieces.map((piece) => piece.function?.arguments).join(""), '{"city": "Paris"}');
});

test("parallel_tool_calls false keeps the first call", async (t) => {
  const { client } = await start(t);
  const { choices } = await client.chat.completions.create({
    model: "understudy",
    messages,
    tools,
    parallel_tool_calls: false,
  });
  assert.equal(choices[0]?.message.tool_calls?.length, 1);
});

test("tool_choice none shows the tools and reads no calls", async (t) => {
  const { client, engine } = await start(t);
  const { choices } = await client.chat.completions.create({
    model: "understudy",
    messages,
    tools,
    tool_choice: "none",
  });
  assert.equal(choices[0]?.message.content, CALLS.join(""));
  const { prompt } = engine.requests[0]!;
  assert.deepEqual(prompt.kind === "chat" && prompt.tools, tools);
});

test("a forced call constrains the answer; a free one does not", async (t) => {
  const { client, engine } = await start(t);
  await client.chat.completions.create({ model: "understudy", messages, tools });
  await client.chat.completions.create({ model: "understudy", messages, tools, tool_choice: "required" });
  const named = { type: "function" as const, function: { name: "get_weather" } };
  await client.chat.completions.create({ model: "understudy", messages, tools, tool_choice: named });
  const grammars = engine.requests.map(({ params }) => params.grammar);
  assert.equal(grammars[0], null);
  assert.ok(grammars[1] !== null && grammars[2] !== null);
});

test("a strict tool constrains the calls of a free answer; where that cannot be kept, it is refused", async (t) => {
  const { engine, post } = await start(t);
  const strictTool = { type: "function", function: { name: "get_weather", parameters, strict: true } };
  const ask = (tool: object, fields: object = {}): Promise<Response> =>
    post("/v1/chat/completions", { messages, tools: [tool], ...fields });
  assert.equal((await ask(strictTool)).status, 200);
  assert.ok(engine.requests.at(-1)!.params.grammar !== null);
  assert.equal(
    (await ask({ ...strictTool, function: { ...strictTool.function, strict: null } })).status,
    200,
  );
  assert.equal(engine.requests.at(-1)!.params.grammar, null);

  const unsupported = { ...strictTool.function, parameters: { type: "object", if: {} } };
  for (const [tool, param] of [
    [{ ...strictTool, function: { ...strictTool.function, strict: "yes" } }, "tools[0].function.strict"],
    [{ ...strictTool, function: unsupported }, "tools[0].function.parameters.if"],
  ] as const) {
    const { error } = (await (await ask(tool)).json()) as { error: { param: string } };
    assert.equal(error.param, param);
  }

  const other = await startServer(t, { engine: new FakeEngine({ toolParser: "llama3" }) });
  const asked = { messages, tools: [strictTool] };
  const refused = await other.post("/v1/chat/completions", asked);
  assert.equal(refused.status, 400);
  const { error } = (await refused.json()) as { error: { code: string; param: string } };
  assert.deepEqual([error.code, error.param], ["unsupported", "tools[0].function.strict"]);
  const forced = await other.post("/v1/chat/completions", { ...asked, tool_choice: "required" });
  assert.equal(forced.status, 200);
});

test("where the model's form is not known, only a forced call is possible, written as a list", async (t) => {
  const { client, engine } = await start(t, new FakeEngine({ toolParser: null }));
  const request = { model: "understudy", messages, tools };
  await assert.rejects(client.chat.completions.create(request), { status: 400, code: "unsupported" });
  engine.script = { tokens: ['[{"name": "get_weather", ', '"arguments": {"city": "Rome"}}]'] };
  const { choices } = await client.chat.completions.create({ ...request, tool_choice: "required" });
  const call = choices[0]?.message.tool_calls?.[0];
  assert.equal(call?.type === "function" && call.function.arguments, '{"city": "Rome"}');
});

test("marks that are special tokens stay in the text where calls are read", async (t) => {
  const { client, engine } = await start(t, new FakeEngine({ toolParser: "mistral" }));
  await client.chat.completions.create({ model: "understudy", messages, tools });
  assert.equal(engine.requests[0]?.params.skipSpecialTokens, false);
});

test("every way to give a form reaches the sampler, on every route", async (t) => {
  const { engine, post } = await start(t);
  const chat = { messages };
  const schema = { type: "object", properties: { a: { type: "integer" } } };
  for (const [path, body] of [
    ["/v1/chat/completions", { ...chat, response_format: { type: "json_object" } }],
    [
      "/v1/chat/completions",
      { ...chat, response_format: { type: "json_schema", json_schema: { name: "x", schema, strict: true } } },
    ],
    ["/v1/chat/completions", { ...chat, tools, response_format: { type: "json_object" } }],
    ["/v1/chat/completions", { ...chat, guided_json: schema }],
    ["/v1/completions", { prompt: "x", guided_json: JSON.stringify(schema) }],
    ["/v1/completions", { prompt: "x", guided_regex: "a+" }],
    ["/v1/completions", { prompt: "x", guided_choice: ["a", "b"] }],
    ["/v1/completions", { prompt: "x", guided_grammar: 'root ::= "a"' }],
    ["/v1/completions", { prompt: "x", structured_outputs: { regex: "a" } }],
    ["/v1/completions", { prompt: "x", structured_outputs: { json_object: true } }],
  ] as const) {
    const response = await post(path, body);
    assert.equal(response.status, 200, await response.text());
    assert.ok(engine.requests.at(-1)!.params.grammar !== null, JSON.stringify(body));
  }
  await post("/v1/chat/completions", { ...chat, response_format: { type: "text" } });
  assert.equal(engine.requests.at(-1)!.params.grammar, null);
});

const flat = { type: "function" as const, name: "get_weather", parameters, strict: true };
const input = "Weather in Paris?";

test("responses: calls are items, whole and streamed, and the conversation goes on with their results", async (t) => {
  const { client, engine } = await start(t);
  const whole = await client.responses.create({ model: "understudy", input, tools: [flat] });
  assert.deepEqual(
    whole.output.map(({ type }) => type),
    ["message", "function_call", "function_call"],
  );
  assert.equal(whole.output_text, "I look it up.");
  const call = whole.output[1]!;
  assert.ok(call.type === "function_call");
  assert.deepEqual([call.name, call.arguments], ["get_weather", '{"city": "Paris"}']);
  const streamed = await client.responses
    .stream({ model: "understudy", input, tools: [flat] })
    .finalResponse();
  assert.equal(
    streamed.output.map((item) => (item.type === "function_call" ? item.arguments : "")).join(),
    ',{"city": "Paris"},{}',
  );

  engine.script = { tokens: ["Sunny."] };
  const after = await client.responses.create({
    model: "understudy",
    previous_response_id: whole.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "sunny" }],
    tools: [flat],
  });
  assert.equal(after.output_text, "Sunny.");
  const { prompt } = engine.requests.at(-1)!;
  assert.ok(prompt.kind === "chat");
  assert.deepEqual(prompt.tools, [
    { type: "function", function: { name: "get_weather", parameters, strict: true } },
  ]);
  const [, made, result] = prompt.messages;
  assert.equal(made?.content, "I look it up.");
  assert.deepEqual(
    (made!.tool_calls as { id: string }[]).map(({ id }) => id),
    [call.call_id, (whole.output[2] as { call_id: string }).call_id],
  );
  assert.deepEqual(result, { role: "tool", tool_call_id: call.call_id, content: "sunny" });
  const replayed = await client.responses.create({
    model: "understudy",
    input: [
      { role: "user", content: input },
      { type: "function_call", call_id: "c", name: "get_weather", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "sunny" },
    ],
  });
  assert.equal(replayed.output_text, "Sunny.");
});

test("responses: forced calls and text.format constrain the answer", async (t) => {
  const { client, engine } = await start(t);
  const named = { type: "function" as const, name: "get_weather" };
  await client.responses.create({ model: "understudy", input, tools: [flat], tool_choice: named });
  const format = { type: "json_schema" as const, name: "x", schema: parameters };
  const response = await client.responses.create({ model: "understudy", input, text: { format } });
  assert.deepEqual(response.text?.format, format);
  for (const strict of [true, false, null])
    await client.responses.create({ model: "understudy", input, tools: [{ ...flat, strict }] });
  assert.deepEqual(
    engine.requests.map(({ params }) => params.grammar !== null),
    [true, true, true, false, false],
  );
});
