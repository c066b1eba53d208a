import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { on, once } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";
import OpenAI from "openai";
import { WebSocket } from "ws";
import { createSamplingParams } from "../../src/sampling/create-sampling-params.ts";
import { startTestEngine, whole } from "../actors/test-engine.ts";
import { ROOT, startServerProcess } from "../examples/server-process.ts";

const QUESTION = "Tell me a short story about a fox.";
const MESSAGES = [{ role: "user" as const, content: QUESTION }];
const SAMPLING = { temperature: 0.9, seed: 42, top_p: 0.95, max_tokens: 80 };

async function post(url: string, body: object): Promise<Response> {
  return await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function overHttp(url: string): Promise<string> {
  const response = await post(url, { model: "understudy", messages: MESSAGES, ...SAMPLING });
  const reply = (await response.json()) as { choices: { message: { content: string } }[] };
  return reply.choices[0]!.message.content;
}

async function overSse(url: string): Promise<string> {
  const response = await post(url, { model: "understudy", messages: MESSAGES, ...SAMPLING, stream: true });
  const frames = (await response.text()).split("\n\n").filter((frame) => frame.startsWith("data: {"));
  return frames
    .map((frame) => JSON.parse(frame.slice(6)))
    .map((chunk) => chunk.choices[0]?.delta?.content ?? "")
    .join("");
}

async function throughOpenAi(url: string): Promise<string> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
  let text = "";
  const stream = await client.chat.completions.create({
    model: "understudy",
    messages: MESSAGES,
    ...SAMPLING,
    stream: true,
  });
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  return text;
}

async function overWebSocket(url: string): Promise<string> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/stream`);
  await once(socket, "open");
  const messages = on(socket, "message");
  socket.send(JSON.stringify({ type: "generate", id: "x", messages: MESSAGES, ...SAMPLING }));
  let text = "";
  for await (const [data] of messages) {
    const message = JSON.parse(String(data));
    if (message.type === "token") text += message.text;
    else {
      assert.equal(message.type, "done");
      break;
    }
  }
  socket.close();
  return text;
}

async function onCommandLine(): Promise<string> {
  const flags = ["--temperature", "0.9", "--seed", "42", "--top-p", "0.95", "--max-tokens", "80", "--chat"];
  const args = ["src/cli/main.ts", "generate", ...flags, QUESTION];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  return stdout.replace(/\n$/, "");
}

async function inProcess(): Promise<string> {
  await using running = await startTestEngine();
  const params = createSamplingParams({ temperature: 0.9, seed: 42, topP: 0.95, maxTokens: 80 });
  const { texts } = await whole(running.engine, { prompt: { kind: "chat", messages: MESSAGES }, params });
  return texts[0]!;
}

test("one request, one text: HTTP, SSE, the openai client, WebSocket, command line, in process", async () => {
  const expected = await inProcess();
  assert.ok(expected.length > 40, expected);
  {
    await using server = await startServerProcess();
    const { url } = server;
    const answers = await Promise.all([overHttp(url), overSse(url), throughOpenAi(url), overWebSocket(url)]);
    for (const answer of answers) assert.equal(answer, expected);
  }
  assert.equal(await onCommandLine(), expected);
});
