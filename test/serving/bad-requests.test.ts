import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "./test-server.ts";

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

const chat = (fields: object): object => ({ messages: [{ role: "user", content: "x" }], ...fields });
const text = (fields: object): object => ({ prompt: "x", ...fields });
const deep = "[".repeat(20_000) + "]".repeat(20_000);

/** Path, body, then the code and param that the answer must have. */
const TOOL = { type: "function", function: { name: "f" } };

const CASES: readonly (readonly [string, unknown, string, string | null])[] = [
  ["/v1/completions", "{", "invalid_json", null],
  ["/v1/completions", "", "invalid_json", null],
  ["/v1/completions", "null", "invalid_request", null],
  ["/v1/completions", "[]", "invalid_request", null],
  ["/v1/completions", '"text"', "invalid_request", null],
  ["/v1/completions", '{"prompt":"x","__proto__":{}}', "invalid_json", null],
  ["/v1/completions", deep, "invalid_request", null],
  ["/v1/completions", `{"prompt":${deep}}`, "invalid_request", "prompt"],
  ["/v1/completions", `{"prompt":"x","stop":${deep}}`, "invalid_request", "stop"],
  ["/v1/completions", {}, "invalid_request", "prompt"],
  ["/v1/completions", { prompt: null }, "invalid_request", "prompt"],
  ["/v1/completions", { prompt: 7 }, "invalid_request", "prompt"],
  ["/v1/completions", { prompt: [] }, "invalid_request", "prompt"],
  ["/v1/completions", { prompt: [[]] }, "invalid_request", "prompt[0]"],
  ["/v1/completions", { prompt: [1, "a"] }, "invalid_request", "prompt[1]"],
  ["/v1/completions", { prompt: ["a", 1] }, "invalid_request", "prompt[1]"],
  ["/v1/completions", { prompt: [1.5] }, "invalid_request", "prompt[0]"],
  ["/v1/completions", { prompt: [-1] }, "invalid_request", "prompt[0]"],
  ["/v1/completions", { prompt: [0x110000] }, "invalid_request", "prompt[0]"],
  ["/v1/completions", { prompt: ["a", [1, null]] }, "invalid_request", "prompt[1][1]"],
  ["/v1/completions", { prompt: Array.from({ length: 2049 }, () => "a") }, "invalid_request", "prompt"],
  ["/v1/completions", text({ model: 5 }), "invalid_request", "model"],
  ["/v1/completions", text({ model: "gpt-9" }), "model_not_found", "model"],
  ["/v1/completions", text({ max_tokens: 0 }), "invalid_request", "max_tokens"],
  ["/v1/completions", text({ max_tokens: "5" }), "invalid_request", "max_tokens"],
  ["/v1/completions", `{"prompt":"x","max_tokens":1e400}`, "invalid_request", "max_tokens"],
  ["/v1/completions", text({ temperature: -1 }), "invalid_request", "temperature"],
  ["/v1/completions", text({ top_p: 0 }), "invalid_request", "top_p"],
  ["/v1/completions", text({ top_k: -2 }), "invalid_request", "top_k"],
  ["/v1/completions", text({ n: 0 }), "invalid_request", "n"],
  ["/v1/completions", text({ n: 100_000 }), "invalid_request", "n"],
  ["/v1/completions", text({ n: 3, best_of: 2 }), "invalid_request", "best_of"],
  ["/v1/completions", text({ logprobs: 21 }), "invalid_request", "logprobs"],
  ["/v1/completions", text({ logprobs: true }), "invalid_request", "logprobs"],
  ["/v1/completions", text({ stop: 5 }), "invalid_request", "stop"],
  ["/v1/completions", text({ stop: ["a", 5] }), "invalid_request", "stop"],
  ["/v1/completions", text({ stop: "" }), "invalid_request", "stop"],
  ["/v1/completions", text({ stop_token_ids: ["x"] }), "invalid_request", "stop_token_ids[0]"],
  ["/v1/completions", text({ logit_bias: { a: 1 } }), "invalid_request", "logit_bias"],
  ["/v1/completions", text({ logit_bias: { "1": 101 } }), "invalid_request", "logit_bias"],
  ["/v1/completions", text({ logit_bias: [1] }), "invalid_request", "logit_bias"],
  ["/v1/completions", text({ seed: 1.5 }), "invalid_request", "seed"],
  ["/v1/completions", text({ stream: "true" }), "invalid_request", "stream"],
  ["/v1/completions", text({ stream_options: { include_usage: true } }), "invalid_request", "stream_options"],
  [
    "/v1/completions",
    text({ stream: true, stream_options: { usage: 1 } }),
    "invalid_request",
    "stream_options.usage",
  ],
  ["/v1/completions", text({ stream: true, prompt_logprobs: 1 }), "invalid_request", "prompt_logprobs"],
  ["/v1/completions", text({ max_tokns: 5 }), "invalid_request", "max_tokns"],
  ["/v1/completions", text({ messages: [] }), "invalid_request", "messages"],
  ["/v1/completions", text({ suffix: "end" }), "unsupported", "suffix"],
  ["/v1/completions", text({ use_beam_search: true }), "unsupported", "use_beam_search"],
  ["/v1/completions", text({ guided_json: { not: {} } }), "invalid_request", "guided_json.not"],
  ["/v1/completions", text({ priority: 3 }), "unsupported", "priority"],
  ["/v1/chat/completions", {}, "invalid_request", "messages"],
  ["/v1/chat/completions", { messages: [] }, "invalid_request", "messages"],
  ["/v1/chat/completions", { messages: "hi" }, "invalid_request", "messages"],
  ["/v1/chat/completions", { messages: ["hi"] }, "invalid_request", "messages[0]"],
  [
    "/v1/chat/completions",
    { messages: [{ role: "king", content: "x" }] },
    "invalid_request",
    "messages[0].role",
  ],
  ["/v1/chat/completions", { messages: [{ role: "user" }] }, "invalid_request", "messages[0].content"],
  [
    "/v1/chat/completions",
    { messages: [{ role: "user", content: 5 }] },
    "invalid_request",
    "messages[0].content",
  ],
  [
    "/v1/chat/completions",
    { messages: [{ role: "user", content: [{ type: "text" }] }] },
    "invalid_request",
    "messages[0].content[0]",
  ],
  [
    "/v1/chat/completions",
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
    "unsupported",
    "messages[0].content[0]",
  ],
  ["/v1/chat/completions", chat({ logprobs: 3 }), "invalid_request", "logprobs"],
  ["/v1/chat/completions", chat({ top_logprobs: 3 }), "invalid_request", "top_logprobs"],
  ["/v1/chat/completions", chat({ logprobs: true, top_logprobs: 21 }), "invalid_request", "top_logprobs"],
  [
    "/v1/chat/completions",
    chat({ max_tokens: 1, max_completion_tokens: 2 }),
    "invalid_request",
    "max_tokens",
  ],
  ["/v1/chat/completions", chat({ max_completion_tokens: 0 }), "invalid_request", "max_completion_tokens"],
  [
    "/v1/chat/completions",
    chat({ tools: [{ type: "function" }] }),
    "invalid_request",
    "tools[0].function.name",
  ],
  ["/v1/chat/completions", chat({ tool_choice: "required" }), "invalid_request", "tool_choice"],
  ["/v1/chat/completions", chat({ tools: [{ type: "custom" }] }), "unsupported", "tools[0].type"],
  ["/v1/chat/completions", chat({ tools: [TOOL, TOOL] }), "invalid_request", "tools"],
  ["/v1/chat/completions", chat({ tools: [TOOL], tool_choice: "any" }), "invalid_request", "tool_choice"],
  [
    "/v1/chat/completions",
    chat({ tools: [TOOL], tool_choice: { type: "function", function: { name: "g" } } }),
    "invalid_request",
    "tool_choice",
  ],
  [
    "/v1/chat/completions",
    chat({
      tools: [{ type: "function", function: { name: "f", parameters: { minProperties: 1 } } }],
      tool_choice: "required",
    }),
    "invalid_request",
    "tools[0].function.parameters.minProperties",
  ],
  ["/v1/completions", text({ guided_regex: "(a" }), "invalid_request", "guided_regex"],
  ["/v1/completions", text({ guided_choice: [] }), "invalid_request", "guided_choice"],
  ["/v1/completions", text({ guided_grammar: "root = x" }), "invalid_request", "guided_grammar"],
  ["/v1/completions", text({ guided_json: "{" }), "invalid_request", "guided_json"],
  ["/v1/completions", text({ guided_regex: "a", guided_choice: ["b"] }), "invalid_request", "guided_choice"],
  ["/v1/completions", text({ guided_regex: "a", ignore_eos: true }), "invalid_request", "ignore_eos"],
  ["/v1/completions", text({ guided_whitespace_pattern: " " }), "unsupported", "guided_whitespace_pattern"],
  [
    "/v1/completions",
    text({ structured_outputs: { json: { allOf: [{}, {}] } } }),
    "invalid_request",
    "structured_outputs.json.allOf",
  ],
  ["/v1/chat/completions", chat({ functions: [{ name: "f" }] }), "unsupported", "functions"],
  [
    "/v1/chat/completions",
    chat({ response_format: { type: "json_schema", json_schema: { name: "x" } } }),
    "invalid_request",
    "response_format.json_schema.schema",
  ],
  [
    "/v1/chat/completions",
    chat({ response_format: { type: "json_schema", json_schema: { schema: { type: "object", if: {} } } } }),
    "invalid_request",
    "response_format.json_schema.schema.if",
  ],
  ["/v1/chat/completions", chat({ response_format: { type: "grammar" } }), "unsupported", "response_format"],
  ["/v1/chat/completions", chat({ response_format: "json" }), "invalid_request", "response_format"],
  ["/v1/chat/completions", chat({ modalities: ["audio"] }), "unsupported", "modalities"],
  ["/v1/chat/completions", chat({ prompt: "x" }), "invalid_request", "prompt"],
  ["/tokenize", {}, "invalid_request", "prompt"],
  ["/tokenize", { prompt: "x", messages: [] }, "invalid_request", "messages"],
  ["/tokenize", { prompt: ["x"] }, "invalid_request", "prompt"],
  ["/tokenize", { prompt: "x", model: "other" }, "model_not_found", "model"],
  ["/detokenize", {}, "invalid_request", "tokens"],
  ["/detokenize", { tokens: "1" }, "invalid_request", "tokens"],
  ["/detokenize", { tokens: [1, -5] }, "invalid_request", "tokens[1]"],
];

test("every bad body gets a JSON error that names the field, and the server goes on", async (t) => {
  const { engine, post } = await startServer(t);
  for (const [path, body, code, param] of CASES) {
    const response = await post(path, body);
    const what = `${path} ${JSON.stringify(body).slice(0, 80)}`;
    const text = await response.text();
    assert.match(text, /^\{"error":/, what);
    const { error } = JSON.parse(text) as ErrorBody;
    assert.equal(response.status, code === "model_not_found" ? 404 : 400, `${what}: ${error.message}`);
    assert.deepEqual([error.code, error.param], [code, param], `${what}: ${error.message}`);
    assert.equal(error.type, "invalid_request_error", what);
  }
  assert.equal(engine.requests.length, 0);
  assert.equal((await post("/v1/completions", { prompt: "x" })).status, 200);
});

test("a mistyped field is told its right name", async (t) => {
  const { post } = await startServer(t);
  const { error } = (await (await post("/v1/completions", text({ max_tokns: 5 }))).json()) as ErrorBody;
  assert.match(error.message, /unknown key "max_tokns" \(did you mean "max_tokens"\?\)/);
});

test("fields that change nothing, and unsupported ones that ask for nothing, are accepted", async (t) => {
  const { post } = await startServer(t);
  const harmless = {
    user: "u",
    metadata: {},
    store: true,
    service_tier: "auto",
    request_id: "r",
    safety_identifier: "s",
  };
  const neutral = {
    use_beam_search: false,
    priority: 0,
    length_penalty: 1,
    guided_json: null,
    bad_words: [],
  };
  assert.equal((await post("/v1/completions", text({ ...harmless, ...neutral, suffix: null }))).status, 200);
  const chatNeutral = {
    ...harmless,
    ...neutral,
    tools: [],
    tool_choice: "auto",
    function_call: "none",
    echo: false,
  };
  assert.equal((await post("/v1/chat/completions", chat(chatNeutral))).status, 200);
});

test("null means the default in every field", async (t) => {
  const { engine, post } = await startServer(t);
  const nulls = Object.fromEntries(
    [
      "temperature",
      "top_p",
      "n",
      "stop",
      "max_tokens",
      "logprobs",
      "seed",
      "logit_bias",
      "stream",
      "model",
    ].map((name) => [name, null]),
  );
  assert.equal((await post("/v1/completions", text(nulls))).status, 200);
  assert.equal(engine.requests[0]?.params.temperature, 1);
  assert.equal(engine.requests[0]?.params.maxTokens, 16);
});
