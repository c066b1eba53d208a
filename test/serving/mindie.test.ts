import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { rawPost, startServer } from "./test-server.ts";

const H = "H".codePointAt(0)!;
const TOKENS = { tokens: ["He", "y", "!"] };
const [h, y, bang] = [H, "y".codePointAt(0)!, "!".codePointAt(0)!];

async function send(t: Parameters<typeof startServer>[0], path: string, body: unknown, config = {}) {
  // a clock that stands still: every time in a frame is 0
  const server = await startServer(t, { clock: new ManualClock(), config });
  server.engine.script = TOKENS;
  const response = await server.post(path, body);
  return { ...server, response, text: await response.text() };
}

test("the request of the MindFormers guide is answered byte for byte", async (t) => {
  const body = '{"inputs": "帮我制定一份去上海的旅游攻略","stream": false}';
  const { response, text, engine } = await send(t, "/generate", body);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type")!, /^application\/json/);
  assert.equal(text, '{"generated_text":"Hey!"}');
  const { params, prompt, shortensAnswer } = engine.requests[0]!;
  assert.deepEqual(prompt, { kind: "text", text: "帮我制定一份去上海的旅游攻略" });
  assert.deepEqual([params.maxTokens, params.temperature, shortensAnswer], [20, 0, true]);
});

test("POST / is Text Generation Inference's, as /generate with inputs is", async (t) => {
  const { text } = await send(t, "/", { inputs: "x" });
  assert.equal(text, '{"generated_text":"Hey!"}');
  const streamed = await send(t, "/", { inputs: "x", stream: true });
  assert.match(streamed.text, /^data: \{"token":/);
});

test("details of TGI, byte for byte", async (t) => {
  const parameters = { details: true, seed: 7, decoder_input_details: true, max_new_tokens: 2 };
  const { text } = await send(t, "/generate", { inputs: "ab", parameters });
  const [a, b] = ["a", "b"].map((letter) => letter.codePointAt(0));
  assert.equal(
    text,
    `{"details":{"prompt_tokens":2,"finish_reason":"length","generated_tokens":2,` +
      `"prefill":[{"id":${a},"logprob":null,"special":false,"text":null},{"id":${b},"logprob":-0.5,"special":false,"text":"b"}],` +
      `"seed":7,"tokens":[{"id":${h},"logprob":-0.5,"special":false,"text":"He"},{"id":${y},"logprob":-0.5,"special":false,"text":"y"}]},` +
      `"generated_text":"Hey"}`,
  );
});

test("without details of the prompt prefill is empty; the seed is told when none was given", async (t) => {
  const { text, engine } = await send(t, "/generate", { inputs: "ab", parameters: { details: true } });
  const { details } = JSON.parse(text) as { details: { prefill: unknown[]; seed: number } };
  assert.deepEqual([details.prefill, details.seed], [[], engine.requests[0]?.params.seed]);
});

test("a stream of TGI, byte for byte", async (t) => {
  const body = { inputs: "x", parameters: { details: true, seed: 1 } };
  const { response, text } = await send(t, "/generate_stream", body);
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const token = (id: number, part: string): string =>
    `"token":{"id":${id},"text":"${part}","logprob":-0.5,"special":false}`;
  assert.equal(
    text,
    [
      `data: {${token(h, "He")},"generated_text":null,"details":null}`,
      `data: {${token(y, "y")},"generated_text":null,"details":null}`,
      `data: {${token(bang, "!")},"generated_text":"Hey!","details":{"prompt_tokens":1,"finish_reason":"eos_token","generated_tokens":3,"seed":1}}`,
      "",
    ].join("\n\n"),
  );
});

test("a stream without details ends with the whole text and details null", async (t) => {
  const { text } = await send(t, "/generate_stream", { inputs: "x" });
  assert.match(text, /"generated_text":"Hey!","details":null\}\n\n$/);
});

test("return_full_text puts the prompt before the answer, with MindIE's space where it is asked for", async (t) => {
  const body = { inputs: "Say", parameters: { return_full_text: true } };
  assert.equal((await send(t, "/generate", body)).text, '{"generated_text":"SayHey!"}');
  const spaced = await send(t, "/generate", body, { mindiePromptSpace: true });
  assert.equal(spaced.text, '{"generated_text":"Say Hey!"}');
});

test("/generate with a prompt is vLLM's: the text behind its prompt", async (t) => {
  const body = { prompt: "Say", max_tokens: 3, temperature: 0 };
  assert.equal((await send(t, "/generate", body)).text, '{"text":["SayHey!"]}');
  const spaced = await send(t, "/generate", body, { mindiePromptSpace: true });
  assert.equal(spaced.text, '{"text":["Say Hey!"]}');
});

test("a stream of vLLM's is JSON ended by NUL bytes", async (t) => {
  const { response, text } = await send(t, "/generate", { prompt: "x", stream: true });
  assert.equal(response.status, 200);
  assert.equal(text, '{"text":["He"]}\0{"text":["y"]}\0{"text":["!"]}\0');
});

test("several answers of vLLM's have a place each", async (t) => {
  const body = { prompt: "x", stream: true, n: 2, temperature: 1, max_tokens: 1 };
  assert.equal((await send(t, "/generate", body)).text, '{"text":["He",""]}\0{"text":["","He"]}\0');
  const whole = await send(t, "/generate", { ...body, stream: false });
  assert.equal(whole.text, '{"text":["xHe","xHe"]}');
});

test("the native dialect, byte for byte", async (t) => {
  const parameters = { details: true, seed: 3, priority: 5, timeout: 600 };
  const { text } = await send(t, "/infer", { inputs: "x", parameters });
  assert.equal(
    text,
    `{"generated_text":"Hey!","details":{"finish_reason":"eos_token","generated_tokens":3,"generated_token_ids":[${h},${y},${bang}],"seed":3}}`,
  );
  const plain = await send(t, "/infer", { inputs: "x" });
  assert.equal(plain.text, '{"generated_text":"Hey!"}');
});

test("a stream of the native dialect has the time of every token", async (t) => {
  const body = { inputs: "x", stream: true, parameters: { details: true, seed: 3 } };
  const { text } = await send(t, "/infer", body);
  assert.equal(
    text,
    [
      `data: {"prefill_time":0,"decode_time":null,"token":{"id":${h},"text":"He"}}`,
      `data: {"prefill_time":null,"decode_time":0,"token":{"id":${y},"text":"y"}}`,
      `data: {"prefill_time":null,"decode_time":0,"generated_text":"Hey!","details":{"finish_reason":"eos_token","generated_tokens":3,"seed":3},"token":{"id":${bang},"text":null}}`,
      "",
    ].join("\n\n"),
  );
});

test("/infer_token takes token ids; a text beside them is an error", async (t) => {
  const { engine, post } = await send(t, "/infer_token", { input_id: [65, 66] });
  assert.deepEqual(engine.requests[0]?.prompt, { kind: "ids", ids: [65, 66] });
  const both = await post("/infer", { inputs: "x", input_id: [1] });
  assert.equal(both.status, 422);
  assert.deepEqual(await both.json(), {
    error: '"inputs" cannot be there together with "input_id"; send one of them.',
    error_type: "Input Validation Error",
  });
  assert.equal((await post("/infer", { stream: false })).status, 422);
});

test("the Triton dialect for texts, byte for byte", async (t) => {
  const body = { id: "a123", text_input: "x", parameters: { details: true } };
  const { text } = await send(t, "/v2/models/understudy/generate", body);
  assert.equal(
    text,
    '{"id":"a123","model_name":"understudy","model_version":null,"text_output":"Hey!",' +
      '"details":{"finish_reason":"eos_token","generated_tokens":3,"first_token_cost":0,"decode_cost":0}}',
  );
  const versioned = await send(t, "/v2/models/understudy/versions/1/generate", { id: "b", text_input: "x" });
  assert.equal(
    versioned.text,
    '{"id":"b","model_name":"understudy","model_version":null,"text_output":"Hey!"}',
  );
});

test("a stream of the Triton dialect, byte for byte", async (t) => {
  const body = { id: "a", text_input: "x", parameters: { details: true, max_new_tokens: 2 } };
  const { text } = await send(t, "/v2/models/understudy/generate_stream", body);
  const frame = (part: string, reason: string, numTokens: number, times: string): string =>
    `data:{"id":"a","model_name":"understudy","model_version":null,"text_output":"${part}",` +
    `"details":{${reason}"generated_tokens":${numTokens},"first_token_cost":null,"decode_cost":null,"batch_size":1,"queue_wait_time":2000},${times}}\n\n`;
  assert.equal(
    text,
    frame("He", "", 1, '"prefill_time":0,"decode_time":null') +
      frame("y", '"finish_reason":"length",', 2, '"prefill_time":null,"decode_time":0'),
  );
});

test("the Triton dialect for tokens, byte for byte", async (t) => {
  const input = { name: "input0", shape: [1, 2], datatype: "UINT32", data: [65, 66] };
  const parameters = { max_new_tokens: 3 };
  const body = { id: "q", inputs: [{ ...input, parameters }], outputs: [{ name: "output0" }] };
  const { text, post } = await send(t, "/v2/models/understudy/infer", body);
  assert.equal(
    text,
    `{"id":"q","outputs":[{"name":"output0","shape":[1,3],"datatype":"UINT32","data":[${h},${y},${bang}]}]}`,
  );
  const wrong = await post("/v2/models/understudy/infer", { ...body, inputs: [{ ...input, shape: [1, 3] }] });
  assert.equal(wrong.status, 422);
  assert.match(((await wrong.json()) as { error: string }).error, /"inputs\.0\.shape" is \[1, 3\]/);
});

test("mindieFullText repeats the text so far in every piece", async (t) => {
  const config = { mindieFullText: true };
  const { text } = await send(t, "/generate", { prompt: "x", stream: true }, config);
  assert.equal(text, '{"text":["He"]}\0{"text":["Hey"]}\0{"text":["Hey!"]}\0');
  const native = await send(t, "/infer", { inputs: "x", stream: true }, config);
  assert.match(native.text, /"text":"Hey"/);
});

test("an unknown model is 404 in MindIE's words", async (t) => {
  const { response, text } = await send(t, "/v2/models/other/generate", { text_input: "x" });
  assert.equal(response.status, 404);
  assert.equal((JSON.parse(text) as { error_type: string }).error_type, "NotFoundError");
});

test("whether tokens are drawn follows MindIE's rule", async (t) => {
  const { engine, post } = await startServer(t);
  const drawn = async (parameters: object): Promise<number> => {
    await post("/generate", { inputs: "x", parameters });
    return engine.requests.at(-1)!.params.temperature;
  };
  assert.equal(await drawn({}), 0);
  assert.equal(await drawn({ do_sample: true }), 1);
  assert.equal(await drawn({ top_k: 5 }), 1);
  assert.equal(await drawn({ temperature: 0.5 }), 0.5);
  assert.equal(await drawn({ do_sample: false, temperature: 0.5 }), 0);
  assert.equal(await drawn({ temperature: 65_536 }), 65_536);
});

test("every parameter reaches the engine", async (t) => {
  const { engine, post } = await startServer(t);
  const parameters = {
    do_sample: true,
    temperature: 0.7,
    top_k: 10,
    top_p: 0.9,
    typical_p: 0.8,
    repetition_penalty: 3,
    seed: 2 ** 64,
    stop: "END",
    max_new_tokens: 9,
    truncate: 4,
  };
  assert.equal((await post("/generate", { inputs: "x", parameters })).status, 200);
  const { params, promptCut } = engine.requests[0]!;
  const { temperature, topK, topP, typicalP, repetitionPenalty, seed, stop, maxTokens } = params;
  assert.deepEqual(
    { temperature, topK, topP, typicalP, repetitionPenalty, stop, maxTokens, promptCut },
    {
      temperature: 0.7,
      topK: 10,
      topP: 0.9,
      typicalP: 0.8,
      repetitionPenalty: 3,
      stop: ["END"],
      maxTokens: 9,
      promptCut: { numTokens: 4, keep: "end" },
    },
  );
  assert.ok(Number.isSafeInteger(seed));
});

const WRONG: readonly (readonly [string, unknown, RegExp])[] = [
  ["/generate", { text: "x" }, /"inputs" or "prompt"/],
  ["/generate", "not json", /not JSON/],
  ["/generate", { inputs: 5 }, /"inputs"/],
  ["/generate", { inputs: "" }, /"inputs"/],
  ["/generate", { inputs: "x", parameters: { top_p: 1.5 } }, /"parameters\.top_p".*1\.5/],
  ["/generate", { inputs: "x", parameters: { top_p: 0 } }, /"parameters\.top_p"/],
  ["/generate", { inputs: "x", parameters: { top_k: 0 } }, /"parameters\.top_k"/],
  ["/generate", { inputs: "x", parameters: { temperature: 0 } }, /"parameters\.temperature"/],
  ["/generate", { inputs: "x", parameters: { max_new_tokens: 0 } }, /"parameters\.max_new_tokens"/],
  ["/generate", { inputs: "x", parameters: { seed: -1 } }, /"parameters\.seed"/],
  ["/generate", { inputs: "x", parameters: { typical_p: 2 } }, /"parameters\.typical_p"/],
  ["/generate", { inputs: "x", parameters: { repetition_penalty: 0 } }, /repetition_penalty/],
  ["/generate", { inputs: "x", parameters: { stop: [""] } }, /"parameters\.stop"/],
  ["/generate", { inputs: "x", parameters: { stop: "a".repeat(1025) } }, /"parameters\.stop"/],
  ["/generate", { inputs: "x", parameters: { watermark: true } }, /watermark/],
  ["/generate", { inputs: "x", parameters: { adapter_id: "a" } }, /adapter_id/],
  ["/generate", { inputs: "x", parameters: { best_off: 1 } }, /best_off/],
  ["/generate_stream", { inputs: "x", parameters: { decoder_input_details: true } }, /decoder_input_details/],
  ["/generate", { prompt: "x", top_k: -2 }, /"top_k"/],
  ["/generate", { prompt: "x", n: 2 }, /best_of|"n"/],
  ["/generate", { prompt: "x", presence_penalty: 3 }, /presence_penalty/],
  ["/infer", { inputs: "x", parameters: { priority: 6 } }, /priority/],
  ["/infer", { inputs: "x", parameters: { timeout: 65_536 } }, /timeout/],
  ["/v2/models/understudy/generate", { id: "a b", text_input: "x" }, /"id"/],
  ["/v1/tokenizer", { input: "x" }, /inputs/],
];

test("what does not fit is 422 with the field's name", async (t) => {
  const { post } = await startServer(t);
  for (const [path, body, expected] of WRONG) {
    const response = await post(path, body);
    const told = (await response.json()) as { error: string; error_type: string };
    assert.equal(response.status, 422, `${path} ${JSON.stringify(body)}: ${told.error}`);
    assert.equal(told.error_type, "Input Validation Error");
    assert.match(told.error, expected);
  }
});

test("ends inclusive of 1.0 for top_p, which MindIE's own range leaves out", async (t) => {
  const { response } = await send(t, "/generate", { inputs: "x", parameters: { top_p: 1.0 } });
  assert.equal(response.status, 200);
});

test("a full queue, a stopping server and a bug have their own status and type", async (t) => {
  const { engine, post } = await startServer(t);
  const failure = async (refuse: TroupeError): Promise<unknown> => {
    engine.script = { refuse };
    const response = await post("/generate", { inputs: "x" });
    return [response.status, ((await response.json()) as { error_type: string }).error_type];
  };
  assert.deepEqual(await failure(new TroupeError("queue_full", "full")), [429, "Too Many Requests"]);
  assert.deepEqual(await failure(new TroupeError("not_ready", "no")), [503, "Service Unavailable"]);
  assert.deepEqual(await failure(new TroupeError("internal", "bug")), [500, "Incomplete Generation"]);
  assert.deepEqual(await failure(new TroupeError("prompt_too_long", "long")), [
    422,
    "Input Validation Error",
  ]);
});

test("a failure in the middle of a stream is a frame of its own", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = { ...TOKENS, fail: { afterTokens: 1, error: new TroupeError("engine_failed", "gone") } };
  const last = (text: string, end: string): unknown =>
    JSON.parse(text.split(end).at(-2)!.replace("data: ", ""));
  const expected = { error: "gone", error_type: "Service Unavailable" };
  assert.deepEqual(last(await (await post("/generate_stream", { inputs: "x" })).text(), "\n\n"), expected);
  assert.deepEqual(
    last(await (await post("/generate", { prompt: "x", stream: true })).text(), "\0"),
    expected,
  );
});

test("stopInfer ends a request by its id: the client gets what there is, the engine is told", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = { ...TOKENS, holdAfterTokens: 1 };
  const path = "/v2/models/understudy";
  const running = post(`${path}/generate`, { id: "mine", text_input: "x", parameters: { details: true } });
  await engine.until(({ numPulled }) => numPulled === 2);
  const stop = await post(`${path}/stopInfer`, { id: "mine" });
  assert.deepEqual([stop.status, await stop.text()], [200, '{"id":"mine"}']);
  const { text_output, details } = (await (await running).json()) as {
    text_output: string;
    details: { finish_reason: string };
  };
  assert.deepEqual([text_output, details.finish_reason], ["He", "stop_sequence"]);
  await engine.until(({ cancelled }) => cancelled.length === 1);
  const again = await post(`${path}/stopInfer`, { id: "mine" });
  assert.deepEqual(await again.json(), {
    error: "RequestId is mine not found.",
    error_type: "NotFoundError",
  });
});

test("stopInfer ends a stream with a last frame, and two requests cannot have one id", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = { ...TOKENS, holdAfterTokens: 1 };
  const path = "/v2/models/understudy";
  const body = { id: "mine", text_input: "x", parameters: { details: true } };
  const streamed = await post(`${path}/generate_stream`, body);
  await engine.until(({ numPulled }) => numPulled === 2);
  assert.equal((await post(`${path}/generate`, body)).status, 422);
  await post(`${path}/stopInfer`, { id: "mine" });
  assert.match(await streamed.text(), /"finish_reason":"stop_sequence","generated_tokens":1[^\n]*\n\n$/);
});

test("a request ends at its own timeout, before its first token or after it", async (t) => {
  const clock = new ManualClock();
  const { engine, post } = await startServer(t, { clock });
  engine.script = { ...TOKENS, holdAfterTokens: 1 };
  const running = post("/infer", { inputs: "x", parameters: { timeout: 2 } });
  await engine.until(({ numPulled }) => numPulled === 2);
  clock.advance(2000);
  const response = await running;
  assert.equal(response.status, 500);
  assert.match(((await response.json()) as { error: string }).error, /timeout of 2 s/);
});

test("a client that goes away frees its request and its id", async (t) => {
  const { engine, port, post } = await startServer(t);
  engine.hold();
  const body = { id: "mine", text_input: "x" };
  const socket = await rawPost(port, "/v2/models/understudy/generate", body);
  await engine.until(({ numLive }) => numLive === 1);
  socket.destroy();
  await engine.until(({ cancelled }) => cancelled.length === 1);
  engine.release();
  assert.equal((await post("/v2/models/understudy/generate", body)).status, 200);
});

test("tokens are counted and shown", async (t) => {
  const { text, post } = await send(t, "/v1/tokenizer", { inputs: "ab" });
  assert.equal(text, '{"token_number":2,"tokens":["a","b"]}');
  const counted = await post("/v1/tokenizer", { inputs: "ab", do_decode: false });
  assert.equal(await counted.text(), '{"token_number":2,"tokens":[]}');
});
