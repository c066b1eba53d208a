/** Requests of MindSpore Serving's documentation, sent as they stand there, and its server's answers, byte for byte. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { FakeEngine } from "./fake-engine.ts";
import { startServer } from "./test-server.ts";

/** The body of its README's two curl lines. */
const SAMPLE =
  '{"inputs":"Hello?","parameters":{"max_new_tokens":55, "do_sample":"False", "return_full_text":"True"}, "stream":"True"}';

const llama2 = (): FakeEngine => new FakeEngine({ names: ["llama2", "internlm"] });

/** A frame of one token as release 2.1 sent it. */
const event = (text: string): string =>
  `data: {"event": "message", "retry": 30000, "data": "${text}"}\r\n\r\n`;

test("release 2.1: /generate answers its curl line with one JSON line", async (t) => {
  const { post, engine } = await startServer(t, { engine: llama2(), config: { mindsporeReplies: "r2.1" } });
  const response = await post("/models/llama2/generate", SAMPLE);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), '{"generated_text": "Hello world!"}\n');
  const { prompt, params } = engine.requests[0]!;
  assert.deepEqual(prompt, { kind: "text", text: "Hello?" });
  assert.deepEqual([params.temperature, params.maxTokens], [0, 55]);
});

test("release 2.1: /generate_stream answers its curl line with events inside events", async (t) => {
  const { post } = await startServer(t, { engine: llama2(), config: { mindsporeReplies: "r2.1" } });
  const response = await post("/models/llama2/generate_stream", SAMPLE);
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const frames = [event("Hello"), event(" world"), event("!"), event("Hello world!")];
  assert.equal(await response.text(), frames.join(""));
});

test("release 2.1: a protocol other than sse sends lines", async (t) => {
  const { post } = await startServer(t, { engine: llama2(), config: { mindsporeReplies: "r2.1" } });
  const body = { inputs: "Hello?", parameters: { return_protocol: "raw" } };
  assert.equal(
    await (await post("/models/internlm/generate_stream", body)).text(),
    'data:{"token": {"text": "Hello", "index": 1}}\n' +
      'data:{"token": {"text": " world", "index": 2}}\n' +
      'data:{"token": {"text": "!", "index": 3}}\n' +
      'data:{"generated_text": "Hello world!"}\n',
  );
});

test("release 2.1: without return_full_text nothing repeats the answer", async (t) => {
  const { post } = await startServer(t, { engine: llama2(), config: { mindsporeReplies: "r2.1" } });
  const body = { inputs: "Hello?", parameters: { return_full_text: "no" }, stream: 1 };
  const text = await (await post("/models/llama2", body)).text();
  assert.equal(text, event("Hello") + event(" world") + event("!"));
});

const devToken = (text: string): string =>
  `{"id": ${text.codePointAt(0)}, "logprob": -0.5, "special": false, "text": "${text}"}`;

const devAnswer =
  '"finish_reason": "eos", "generated_tokens": 3, ' +
  `"prefill": [${devToken("Hello")}], "seed": 0, ` +
  `"tokens": [${["Hello", " world", "!"].map(devToken).join(", ")}], "top_tokens": [[${devToken("Hello")}]]`;

test("development branch: the whole answer with its tokens", async (t) => {
  const { post } = await startServer(t, { engine: llama2(), config: { mindsporeReplies: "dev" } });
  const text = await (await post("/models/llama2/generate", SAMPLE)).text();
  assert.equal(text, `{"generated_text": "Hello world!", ${devAnswer}, "details": null}\n`);
});

test("development branch: its stream is lines of JSON, with data: in the raw protocol only", async (t) => {
  const { post } = await startServer(t, { engine: llama2(), config: { mindsporeReplies: "dev" } });
  const step = (text: string): string =>
    `{"details": null, "generated_text": "${text}", "tokens": ${devToken(text)}, "top_tokens": [${devToken(text)}]}`;
  const steps = ["Hello", " world", "!"].map(step);
  const full = `{"details": null, "generated_text": "Hello world!", ${devAnswer}}`;
  const sse = await (await post("/models/llama2/generate_stream", SAMPLE)).text();
  const wrapped = [...steps, full].map((body) => `{"event": "message", "retry": 30000, "data": [${body}]}\n`);
  assert.equal(sse, wrapped.join(""));
  const body = { inputs: "Hello?", parameters: { return_protocol: "raw" } };
  const raw = await (await post("/models/llama2/generate_stream", body)).text();
  const last = `{"generated_text": "Hello world!", ${devAnswer}, "details": null}`;
  assert.equal(raw, [...steps, last].map((line) => `data:${line}\n`).join(""));
});

test("by default the stream is valid events that its Python client reads: tokens, then the whole text", async (t) => {
  const { post } = await startServer(t, { engine: llama2() });
  const text = await (await post("/models/llama2/generate_stream", SAMPLE)).text();
  const frames = text.split("\n\n").slice(0, -1);
  const bodies = frames.map((frame) => JSON.parse(frame.replace(/^data: /, "")) as Record<string, unknown>);
  const token = { id: "H".codePointAt(0), index: 1, logprob: null, special: false, text: "Hello" };
  assert.deepEqual(bodies[0], { token, generated_text: null, details: null });
  assert.deepEqual(bodies.at(-1), {
    token: null,
    generated_text: "Hello world!",
    finish_reason: "eos",
    generated_tokens: 3,
    details: null,
  });
});

test("by default the old frames are sent to who asks for them", async (t) => {
  const { post } = await startServer(t, { engine: llama2() });
  const stream = async (return_protocol: string): Promise<string> =>
    await (
      await post("/models/llama2/generate_stream", { inputs: "a", parameters: { return_protocol } })
    ).text();
  assert.ok((await stream("sse")).startsWith(event("Hello")));
  assert.ok((await stream("raw")).startsWith('data:{"token": {"text": "Hello", "index": 1}}\n'));
});

test("details hold what the old server left empty: log-probabilities, prompt tokens, alternatives", async (t) => {
  const { post } = await startServer(t, { engine: llama2() });
  const parameters = { details: true, decoder_input_details: true, top_n_tokens: 1, seed: 7 };
  const response = await post("/models/llama2/generate", { inputs: "ab", parameters });
  const { details } = (await response.json()) as {
    details: Record<"seed" | "prefill" | "tokens" | "top_tokens", unknown[]>;
  };
  assert.equal(details.seed, 7);
  assert.deepEqual(details.prefill, [{ id: 98, logprob: -0.5, special: false, text: "b" }]);
  assert.deepEqual(details.tokens?.[2], { id: 33, logprob: -0.5, special: false, text: "!" });
  assert.deepEqual(
    details.top_tokens?.map((top) => (top as unknown[]).length),
    [1, 1, 1],
  );
});

test("every sampling parameter acts, also as a quoted word; its defaults are the documented ones", async (t) => {
  const { post, engine } = await startServer(t, { engine: llama2() });
  const parameters = {
    do_sample: "True",
    top_k: "5",
    top_p: 0.5,
    temperature: "0.7",
    repetition_penalty: 1.2,
    max_new_tokens: "2",
    seed: 3,
    stop: ["x"],
    typical_p: 0.9,
  };
  await (await post("/models/llama2", { inputs: "a", parameters })).text();
  await (await post("/models/llama2", { inputs: "a" })).text();
  await (await post("/models/llama2", { inputs: "a", parameters: { do_sample: true } })).text();
  const used = engine.requests.map(({ params }) => [
    params.temperature,
    params.topK,
    params.topP,
    params.maxTokens,
  ]);
  assert.deepEqual(used, [
    [0.7, 5, 0.5, 2],
    [0, 0, 1, 300],
    [1, 3, 1, 300],
  ]);
  const { repetitionPenalty, seed, stop, typicalP } = engine.requests[0]!.params;
  assert.deepEqual([repetitionPenalty, seed, stop, typicalP], [1.2, 3, ["x"], 0.9]);
});

test("values out of range are corrected as its server did, and the answer says so", async (t) => {
  const { post, engine } = await startServer(t, { engine: llama2() });
  const parameters = { do_sample: true, top_k: -1, top_p: 7, temperature: 0.5 };
  const response = await post("/models/llama2", { inputs: "a", parameters });
  assert.equal(response.headers.get("x-corrected-parameters"), "top_k=-1; used=1, top_p=7; used=1");
  await response.text();
  const stream = await post("/models/llama2/generate_stream", {
    inputs: "a",
    parameters: { do_sample: true, temperature: 0 },
  });
  assert.equal(stream.headers.get("x-corrected-parameters"), "temperature=0; used=1");
  await stream.text();
  assert.deepEqual(
    engine.requests.map(({ params }) => params.temperature),
    [0.5, 0],
  );
});

test("truncate keeps the last tokens: as many as it says, or what fits beside the answer", async (t) => {
  const { post, engine } = await startServer(t, { engine: llama2() });
  for (const truncate of [12, "True", false, "0"])
    await (
      await post("/models/llama2", { inputs: "a", parameters: { truncate, max_new_tokens: 48 } })
    ).text();
  assert.deepEqual(
    engine.requests.map(({ promptCut }) => promptCut),
    [{ numTokens: 12, keep: "end" }, { numTokens: 2000, keep: "end" }, undefined, undefined],
  );
});

test("the prompt form of the configuration goes around the prompt, whatever the prompt holds", async (t) => {
  const mindsporePromptForm = "<s><s><|User|>:{}<eoh>\n<|Bot|>:";
  const { post, engine } = await startServer(t, { engine: llama2(), config: { mindsporePromptForm } });
  await (await post("/models/internlm/generate", { inputs: "cost: $& {}" })).text();
  const text = "<s><s><|User|>:cost: $& {}<eoh>\n<|Bot|>:";
  assert.deepEqual(engine.requests[0]?.prompt, { kind: "text", text });
});

const REFUSED: readonly (readonly [
  what: string,
  path: string,
  body: unknown,
  status: number,
  error: RegExp,
])[] = [
  ["another model", "/models/gpt2/generate", { inputs: "a" }, 404, /"gpt2" does not exist.*llama2, internlm/],
  ["no prompt", "/models/llama2", { parameters: {} }, 422, /"inputs"/],
  [
    "an unknown parameter",
    "/models/llama2",
    { inputs: "a", parameters: { topk: 1 } },
    422,
    /did you mean "top_k"/,
  ],
  [
    "a word that is no boolean",
    "/models/llama2",
    { inputs: "a", stream: "maybe" },
    422,
    /"stream": must be true or false/,
  ],
  [
    "a watermark",
    "/models/llama2",
    { inputs: "a", parameters: { watermark: "yes" } },
    422,
    /watermark.*leave it out/,
  ],
  [
    "no tokens to keep",
    "/models/llama2",
    { inputs: "a", parameters: { truncate: -1 } },
    422,
    /truncate" is -1/,
  ],
  [
    "a penalty out of range",
    "/models/llama2",
    { inputs: "a", parameters: { repetition_penalty: 3 } },
    422,
    /parameters\.repetition_penalty/,
  ],
];

for (const [what, path, body, status, error] of REFUSED) {
  test(`${what} is refused with ${status} and the text under "error", where its client looks`, async (t) => {
    const { post } = await startServer(t, { engine: llama2() });
    const response = await post(path, body);
    assert.equal(response.status, status);
    const reply = (await response.json()) as { error: string };
    assert.match(reply.error, error);
  });
}

test("an engine's refusal keeps its status", async (t) => {
  const { post, engine } = await startServer(t, { engine: llama2() });
  engine.script = { refuse: new TroupeError("queue_full", "Full.") };
  const response = await post("/models/llama2/generate_stream", { inputs: "a" });
  assert.deepEqual(
    [response.status, await response.json()],
    [429, { error: "Full.", error_type: "queue_full" }],
  );
});

test("counts of running and waiting requests are JSON, or the old single event", async (t) => {
  const own = await startServer(t, { engine: llama2() });
  const old = await startServer(t, { engine: llama2(), config: { mindsporeReplies: "r2.1" } });
  for (const path of ["/serving/get_bs", "/serving/get_request_numbers"]) {
    assert.deepEqual(await (await fetch(own.url + path)).json(), { data: 0 });
    const text = await (await fetch(old.url + path)).text();
    assert.equal(text, 'data: {"event": "message", "retry": 30000, "data": 0}\r\n\r\n');
  }
});

test("the model's description stands under both spellings", async (t) => {
  const { url } = await startServer(t, { engine: llama2() });
  const read = async (path: string): Promise<unknown> => await (await fetch(url + path)).json();
  const info = await read("/serving/get_served_model_info");
  assert.deepEqual(info, await read("/serving/get_serverd_model_info"));
  const { model_id, max_total_tokens, model_device_type } = info as Record<string, unknown>;
  assert.deepEqual([model_id, max_total_tokens, model_device_type], ["llama2", 2048, "CPU"]);
});
