/**
 * The samples of other systems' documentation against servers over configs/: curl lines run by curl, as they stand there
 * but for address, port and the model's name.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import OpenAI from "openai";
import { MindsporeInferenceClient } from "../../src/client/index.ts";
import { startServerProcess } from "../examples/server-process.ts";

const PROMPT = "Once upon a time";

/** Runs a command line of the documentation. */
async function shell(line: string): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", ["-c", line.replace("curl ", "curl -sS ")]);
  return stdout;
}

const onLoopback = ["--host", "127.0.0.1"];

test("MindSpore Serving: its two curl lines and its Python client's loop", async () => {
  await using server = await startServerProcess(["--config", "configs/mindspore-serving.yaml"]);
  const address = server.url.replace("http://", "");
  let answer = "";
  // its own prompt, to which the small model says nothing, and one that it goes on with
  for (const prompt of ["Hello?", PROMPT]) {
    const whole = await shell(`curl ${address}/models/llama2/generate \\
     -X POST \\
     -d '{"inputs":"${prompt}","parameters":{"max_new_tokens":55, "do_sample":"False", "return_full_text":"True"}, "stream":"True"}' \\
     -H 'Content-Type: application/json'`);
    assert.match(whole, /^\{"generated_text": ".*"\}\n$/s);
    answer = (JSON.parse(whole) as { generated_text: string }).generated_text;
    const stream = await shell(`curl ${address}/models/llama2/generate_stream \\
     -X POST \\
     -d '{"inputs":"${prompt}","parameters":{"max_new_tokens":55, "do_sample":"False", "return_full_text":"True"}, "stream":"True"}' \\
     -H 'Content-Type: application/json'`);
    const frames = stream.split("\r\n\r\n").slice(0, -1);
    const texts = frames.map((frame) => {
      assert.match(frame, /^data: \{"event": "message", "retry": 30000, "data": ".*"\}$/s);
      return (JSON.parse(frame.slice("data: ".length)) as { data: string }).data;
    });
    assert.equal(texts.at(-1), answer);
    assert.equal(texts.slice(0, -1).join(""), answer);
  }
  assert.notEqual(answer, "");

  const client = new MindsporeInferenceClient({ modelType: "llama2", serverUrl: server.url });
  const { generatedText } = await client.generate(PROMPT, { maxNewTokens: 55 });
  assert.equal(generatedText, answer);
  let text = "";
  for await (const response of client.generateStream(PROMPT, { doSample: false, maxNewTokens: 55 })) {
    if (response.token) text += response.token.text;
    else text = response.generatedText!;
  }
  assert.equal(text, answer);
  const status = await shell(`curl ${address}/serving/get_bs`);
  assert.equal(status, 'data: {"event": "message", "retry": 30000, "data": 0}\r\n\r\n');
});

test("br-vllm-serving: its chat, its completions, its metrics, its model check", async () => {
  await using server = await startServerProcess(["--config", "configs/br-vllm-serving.json", ...onLoopback]);
  const model = "troupe/understudy";
  const chat = await shell(`curl ${server.url}/v1/chat/completions \\
  -H  "Content-Type: application/json" \\
  -d '{
        "model": "${model}",
        "messages": [{
            "role": "user",
            "content": "描述一下夏天"
        }],
        "max_tokens": 70,
        "temperature": 0.9,
        "top_p": 0.9,
        "top_k": 10,
        "stream": true
      }'`);
  assert.match(chat, /^data: \{.*"object":"chat\.completion\.chunk".*"role":"assistant"/);
  assert.match(chat, /"finish_reason":"(?:stop|length)".*\n\ndata: \[DONE\]\n\n$/);
  const completion = await shell(`curl ${server.url}/v1/completions \\
  -H "Content-Type: application/json" \\
  -d '{
      "model": "${model}",
      "prompt":"描述一下夏天",
      "max_tokens": 70,
      "top_p":0.9,
      "top_k":10,
      "temperature": 0.9,
      "stream": true
      }'`);
  assert.match(completion, /^data: \{.*"object":"text_completion"/);
  assert.match(completion, /data: \[DONE\]\n\n$/);
  const metrics = await shell(`curl ${server.url}/metrics`);
  for (const name of [
    "vllm:num_requests_running",
    "vllm:generation_tokens_total",
    "vllm:time_to_first_token_seconds",
  ])
    assert.ok(metrics.includes(`${name}{`) || metrics.includes(`${name}_bucket{`), name);

  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  const refused = async (request: object, status: number, message: RegExp): Promise<void> => {
    const body = { model, prompt: "a", ...request } as OpenAI.CompletionCreateParamsNonStreaming;
    await assert.rejects(client.completions.create(body), (error: InstanceType<typeof OpenAI.APIError>) => {
      assert.equal(error.status, status);
      assert.match(error.message, message);
      return true;
    });
  };
  await refused({ model: "Qwen/Qwen2-72B" }, 404, /"Qwen\/Qwen2-72B" does not exist/);
  await refused({ n: 9, max_tokens: 1 }, 400, /9 answers.*at most 8/);
  await refused({ top_k: -2 }, 400, /top_k/);
  await refused({ top_p: 0 }, 400, /top_p/);
  await refused({ max_tokens: 0 }, 400, /max_tokens/);
  const long = {
    model,
    prompt: "Once",
    max_tokens: 400,
    temperature: 0,
    ignore_eos: true,
    stop_tokens_ids: [0],
  };
  const cut = await client.completions.create(long as OpenAI.CompletionCreateParamsNonStreaming);
  assert.ok(cut.usage!.completion_tokens <= 256);
});

test("MindFormers: its YAML file is served", async () => {
  await using server = await startServerProcess(["--config", "configs/mindformers.yaml"]);
  const reply = await fetch(`${server.url}/v1/models`);
  const { data } = (await reply.json()) as { data: { id: string; max_model_len: number }[] };
  assert.deepEqual(
    data.map(({ id, max_model_len }) => [id, max_model_len]),
    [["understudy_3m", 512]],
  );
  const body = { model: "understudy_3m", prompt: "Once upon a time", max_tokens: 4 };
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${server.url}/v1/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200);
});
