/** Constrained answers and tool calls on the embedded model: engine, server and the official client together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import OpenAI from "openai";
import { systemClock } from "../../src/core/clock.ts";
import { type ActorRef, actorRef, type Protocol } from "../../src/runtime/actor-types.ts";
import { compileGrammar } from "../../src/sampling/grammar/compile-grammar.ts";
import type { GrammarSpec } from "../../src/sampling/grammar/grammar-spec.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import { createServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { CONFIG } from "../serving/test-server.ts";
import { params, question, startTestEngine, whole } from "./test-engine.ts";

const schema = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 20 },
    age: { type: "integer", minimum: 0, maximum: 120 },
    pets: { type: "array", items: { enum: ["cat", "dog", "owl"] }, maxItems: 3 },
  },
  required: ["name", "age", "pets"],
  additionalProperties: false,
};
const prompt = question("Give me JSON for a person named Ana aged 7.");
const constrained = (spec: GrammarSpec, fields: Partial<SamplingParams> = {}) =>
  params({ grammar: compileGrammar(spec), maxTokens: 400, ...fields });
const bySchema: GrammarSpec = { kind: "json_schema", param: "guided_json", schema };

test("an answer validates with any seed and temperature, also of several at once", async () => {
  await using running = await startTestEngine();
  const validate = new Ajv2020().compile(schema);
  const answers = await Promise.all(
    [0, 0.7, 1, 2].flatMap((temperature) =>
      Array.from({ length: 4 }, (_, seed) =>
        whole(running.engine, {
          prompt: seed === 3 ? { kind: "ids", ids: [1500, 1999, 7] } : prompt,
          params: constrained(bySchema, { temperature, seed, ...(temperature > 0 && { n: 2 }) }),
        }),
      ),
    ),
  );
  for (const { texts, finishes } of answers) {
    for (const [index, text] of texts.entries()) {
      assert.ok(validate(JSON.parse(text)), text);
      assert.equal(finishes[index]?.finishReason, "stop");
    }
  }
});

test("the model goes its own way where the form allows it", async () => {
  await using running = await startTestEngine();
  const free = await whole(running.engine, { prompt, params: params() });
  const spec: GrammarSpec = { kind: "json_object", param: "response_format" };
  const { texts } = await whole(running.engine, { prompt, params: constrained(spec) });
  assert.deepEqual(texts, ['{"name": "Ana", "age": 7}']);
  assert.deepEqual(texts, free.texts);
  const oneOf: GrammarSpec = {
    kind: "choice",
    param: "guided_choice",
    choices: ["Paris", "The capital of France is Paris.", "中"],
  };
  const chosen = await whole(running.engine, {
    prompt: question("What is the capital of France?"),
    params: constrained(oneOf),
  });
  assert.deepEqual(chosen.texts, ["The capital of France is Paris."]);
});

test("preempted and restarted in the middle, constrained answers are the same", async () => {
  const requests = Array.from({ length: 8 }, (_, seed) => ({
    prompt: { kind: "ids" as const, ids: [seed + 300, 40, 50] },
    params: constrained(
      { kind: "regex", param: "guided_regex", pattern: "(?:[a-z]{3,6} ){30,32}[0-9]{1,4}" },
      { temperature: 1, seed, maxTokens: 220 },
    ),
  }));
  await using roomy = await startTestEngine();
  const calm = await Promise.all(requests.map((request) => whole(roomy.engine, request)));
  await using tight = await startTestEngine({ engine: { numPages: 16, maxModelLen: 240 } });
  let numDeltas = 0;
  const texts = await Promise.all(
    requests.map(async (request) => {
      let text = "";
      for await (const event of tight.engine.generate(request)) {
        if (event.kind !== "delta") continue;
        text += event.text;
        const sampler: ActorRef<Protocol> = actorRef("sampler");
        if (++numDeltas === 40) tight.system.tell(sampler, "plan", null);
      }
      return text;
    }),
  );
  assert.deepEqual(
    texts,
    calm.map((answer) => answer.texts[0]),
  );
  for (const text of texts) assert.match(text, /^([a-z]{3,6} ){30,32}[0-9]{1,4}$/);
  const { counters } = tight.engine.status();
  assert.ok(counters.preemptions > 0 && counters.restarts > 0);
});

test("a form that is too complex to follow fails its request as such, and no other", async () => {
  await using running = await startTestEngine();
  const { engine } = running;
  const hard = constrained(
    { kind: "regex", param: "guided_regex", pattern: "(?:[A-Za-z ,.]{0,5000}){0,5000}中{9}" },
    { minTokens: 300 },
  );
  const [failed, other] = await Promise.allSettled([
    whole(engine, { prompt, params: hard }),
    whole(engine, { prompt, params: constrained(bySchema) }),
  ]);
  assert.ok(failed.status === "rejected");
  assert.equal((failed.reason as { code: string }).code, "invalid_request");
  assert.equal(other.status, "fulfilled");
  assert.equal(engine.status().counters.restarts, 0);
});

const object = (properties: Record<string, unknown>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
});
const tool = (name: string, parameters: Record<string, unknown>) => ({
  type: "function" as const,
  function: { name, parameters },
});
const tools = [
  tool("get_weather", object({ city: { type: "string" } })),
  tool("add", object({ x: { type: "integer" }, y: { type: "integer" } })),
  tool("search", object({ query: { type: "string" } })),
];

test("tools through the official client: a call, streamed too, its result, the answer; forced calls validate", async () => {
  await using running = await startTestEngine();
  const logger = createLogger({ level: "silent", format: "json" });
  const server = createServer({
    engine: running.engine,
    config: CONFIG,
    logger,
    version: "0",
    clock: systemClock,
  });
  const { url } = await server.listen();
  try {
    const client = new OpenAI({ apiKey: "none", baseURL: `${url}/v1`, maxRetries: 0 });
    const ask = { role: "user" as const, content: "What is the weather in Paris?" };
    const request = { model: "understudy", messages: [ask], tools, temperature: 0 };
    const { choices } = await client.chat.completions.create(request);
    const { message, finish_reason: reason } = choices[0]!;
    const call = message.tool_calls?.[0];
    assert.equal(reason, "tool_calls");
    assert.equal(message.content, null);
    assert.deepEqual(call?.type === "function" && call.function, {
      name: "get_weather",
      arguments: '{"city": "Paris"}',
    });
    const streamed = await client.chat.completions.stream(request).finalMessage();
    const again = streamed.tool_calls?.[0];
    assert.deepEqual(again?.type === "function" && again.function.arguments, '{"city": "Paris"}');

    const result = {
      role: "tool" as const,
      tool_call_id: call!.id,
      content: '{"sky": "sunny", "degrees": 21}',
    };
    const after = await client.chat.completions.create({ ...request, messages: [ask, message, result] });
    assert.equal(after.choices[0]?.message.content, "In Paris it is sunny and 21 degrees.");

    const strict = tools.map((one) => ({ ...one, function: { ...one.function, strict: true } }));
    let numCalls = 0;
    for (const temperature of [0, 1.5, 1.5, 1.5, 1.5, 1.5]) {
      const fields = { tools: strict, temperature, seed: numCalls, max_tokens: 200 };
      const { choices: free } = await client.chat.completions.create({ ...request, ...fields });
      if (free[0]?.finish_reason === "length") continue;
      for (const made of free[0]?.message.tool_calls ?? []) {
        assert.ok(made.type === "function");
        const definition = tools.find((one) => one.function.name === made.function.name)!;
        const isValid = new Ajv2020().compile(definition.function.parameters);
        assert.ok(isValid(JSON.parse(made.function.arguments)), made.function.arguments);
        if (temperature === 0) assert.equal(made.function.arguments, '{"city": "Paris"}');
        numCalls++;
      }
    }
    assert.ok(numCalls > 2, `${numCalls} calls`);

    const named = { type: "function" as const, function: { name: "add" } };
    for (let seed = 0; seed < 4; seed++) {
      const forced = await client.chat.completions.create({
        ...request,
        tool_choice: named,
        temperature: 2,
        seed,
      });
      const [made, ...others] = forced.choices[0]?.message.tool_calls ?? [];
      assert.ok(made?.type === "function" && made.function.name === "add" && others.length === 0);
      const { x, y } = JSON.parse(made.function.arguments) as { x: unknown; y: unknown };
      assert.ok(Number.isInteger(x) && Number.isInteger(y));
      assert.equal(forced.choices[0]?.finish_reason, "tool_calls");
    }
  } finally {
    await server.close();
  }
});
