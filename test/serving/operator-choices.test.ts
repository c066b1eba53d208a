import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { startServer } from "./test-server.ts";

type Line = Record<string, unknown>;

const MESSAGES = [{ role: "user", content: "secret" }];

/** Lines are written when a response is over, which its client may learn a moment earlier. */
async function logged(log: Line[], check: (line: Line) => boolean): Promise<void> {
  while (!log.some(check)) await new Promise((resolve) => setImmediate(resolve));
}

test("a request's own chat template is refused on every way in, unless the operator allows it", async (t) => {
  const body = { messages: MESSAGES, chat_template: "{{ messages }}" };
  const { engine, port, post } = await startServer(t);
  for (const path of ["/v1/chat/completions", "/tokenize"]) {
    const response = await post(path, body);
    assert.equal(response.status, 400, path);
    const { error } = (await response.json()) as { error: { code: string; param: string; message: string } };
    assert.deepEqual([error.code, error.param], ["unsupported", "chat_template"]);
    assert.match(error.message, /server\.allowRequestTemplates: true/);
  }
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "generate", id: "a", ...body }));
  const [data] = (await once(socket, "message")) as [Buffer];
  assert.match(String(data), /"type":"error".*"param":"chat_template"/);
  socket.terminate();
  assert.equal(engine.requests.length, 0);
  const allowing = await startServer(t, { config: { allowRequestTemplates: true } });
  for (const path of ["/v1/chat/completions", "/tokenize"])
    assert.equal((await allowing.post(path, body)).status, 200, path);
});

test("prompts are logged when the operator asks for it, with the id that the request's own line has; answers never", async (t) => {
  const { engine, post, log } = await startServer(t, { logsPrompts: true });
  engine.script = { tokens: ["answer to nobody"] };
  await (await post("/v1/chat/completions", { messages: MESSAGES })).text();
  await logged(log, (line) => line.msg === "request");
  const prompt = log.find((line) => line.msg === "prompt");
  const request = log.find((line) => line.msg === "request");
  assert.equal(prompt?.prompt, "<user>secret");
  assert.equal(prompt?.requestId, request?.responseId);
  assert.equal(JSON.stringify(log).includes("answer to nobody"), false);
});

test("every request leaves one line with its ids, over HTTP and WebSocket, streamed or not", async (t) => {
  const { engine, port, post, log } = await startServer(t);
  const headers = { "content-type": "application/json", "x-request-id": "mine" };
  const bodies = [{ prompt: "x" }, { prompt: "x", stream: true }];
  for (const body of bodies) await (await post("/v1/completions", body, { headers })).text();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "generate", id: "w", prompt: "x" }));
  await logged(log, (line) => line.clientRequestId === "w");
  const ids = engine.requests.map(({ requestId }) => requestId ?? "");
  const lines = log.filter((line) => String(line.msg).startsWith("request"));
  assert.deepEqual(
    lines.map((line) => line.requestId),
    ["mine", "mine", ids[2]],
  );
  assert.deepEqual(
    lines.slice(0, 2).map((line) => ids.some((id) => id.startsWith(`${String(line.responseId)}-`))),
    [true, true],
  );
  socket.terminate();
});

test("a stream that is silent for long sends comments, and none between tokens", async (t) => {
  const clock = new ManualClock();
  const { engine, post } = await startServer(t, { clock, config: { streamKeepAliveMs: 1_000 } });
  engine.hold();
  const response = await post("/v1/completions", { prompt: "x", stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (let beat = 0; beat < 3; beat++) {
    clock.advance(999);
    clock.advance(1);
    assert.equal((await reader.read()).value, ": keep-alive\n\n");
  }
  engine.release();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
  assert.equal(rest.includes("keep-alive"), false);
  assert.match(rest, /\[DONE\]/);
});
