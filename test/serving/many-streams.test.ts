/** Many streams at once: every client gets every token of its own answer, in order, and none of another's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import type { GenerateRequest } from "../../src/protocol/engine.ts";
import { startServer } from "./test-server.ts";

const NUM_STREAMS = 256;
const NUM_TOKENS = 32;

/** The answer to a prompt: which stream and which token each piece belongs to. */
function answerTo(prompt: string): string[] {
  return Array.from({ length: NUM_TOKENS }, (_, place) => `${prompt}.${place} `);
}

function script({ prompt }: GenerateRequest): { tokens: string[] } {
  if (prompt.kind === "chat") return { tokens: answerTo(prompt.messages[0]?.content ?? "") };
  return { tokens: answerTo(prompt.kind === "text" ? prompt.text : "") };
}

const prompts = Array.from({ length: NUM_STREAMS }, (_, stream) => `s${stream}`);
const expected = prompts.map((prompt) => answerTo(prompt).join(""));

test("256 streams over SSE lose and mix up nothing", async (t) => {
  const { engine, post } = await startServer(t);
  engine.script = script;
  engine.hold();
  const open = prompts.map((prompt) =>
    post("/v1/completions", { prompt, max_tokens: NUM_TOKENS, stream: true }),
  );
  await engine.until(({ numLive }) => numLive === NUM_STREAMS);
  engine.release();
  const texts = await Promise.all(open.map(async (response) => textOf(await (await response).text())));
  assert.deepEqual(texts, expected);
});

function textOf(stream: string): string {
  const chunks = [...stream.matchAll(/^data: (\{.*)$/gm)].map((match) => JSON.parse(match[1]!) as SseChunk);
  return chunks.map(({ choices }) => choices[0]?.text ?? "").join("");
}

interface SseChunk {
  readonly choices: readonly { readonly text: string }[];
}

for (const [path, numSockets] of [
  ["/v1/stream", 4],
  ["/v1/responses", 4],
] as const)
  test(`256 streams on ${numSockets} WebSockets of ${path} lose and mix up nothing`, async (t) => {
    const perSocket = NUM_STREAMS / numSockets;
    const { engine, port } = await startServer(t, { config: { maxRequestsPerSocket: perSocket } });
    engine.script = script;
    engine.hold();
    const texts = new Map(prompts.map((prompt) => [prompt, ""]));
    let numOpen = NUM_STREAMS;
    const ended = Promise.withResolvers<void>();
    const take = (data: Buffer): void => {
      const message = JSON.parse(data.toString()) as SocketMessage;
      const id = message.id ?? message.stream_id ?? "";
      const text = message.text ?? message.delta;
      if (message.type === "token" || message.type === "response.output_text.delta")
        texts.set(id, texts.get(id)! + text);
      if (message.type !== "done" && message.type !== "response.completed") return;
      if (--numOpen === 0) ended.resolve();
    };
    for (let socketIndex = 0; socketIndex < numSockets; socketIndex++) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
      await once(socket, "open");
      socket.on("message", take);
      t.after(() => socket.terminate());
      for (const prompt of prompts.slice(socketIndex * perSocket, (socketIndex + 1) * perSocket))
        socket.send(JSON.stringify(requestOn(path, prompt)));
    }
    await engine.until(({ numLive }) => numLive === NUM_STREAMS);
    engine.release();
    await ended.promise;
    assert.deepEqual([...texts.values()], expected);
  });

interface SocketMessage {
  readonly type: string;
  readonly id?: string;
  readonly stream_id?: string;
  readonly text?: string;
  readonly delta?: string;
}

function requestOn(path: string, prompt: string): object {
  return path === "/v1/stream"
    ? { type: "generate", id: prompt, prompt, max_tokens: NUM_TOKENS }
    : { type: "response.create", stream_id: prompt, input: prompt, store: false };
}
