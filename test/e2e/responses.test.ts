import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import type { Response } from "openai/resources/responses/responses";
import { ResponsesWS } from "openai/resources/responses/ws";
import { startServerProcess } from "../examples/server-process.ts";

const QUESTION = "Tell me a short story about a fox.";
const SAMPLING = { temperature: 0.9, top_p: 0.95 };
const RESPONSE = { model: "understudy", input: QUESTION, ...SAMPLING, max_output_tokens: 60, seed: 42 };

async function overSocket(client: OpenAI): Promise<string> {
  const socket = new ResponsesWS(client);
  try {
    const ended = new Promise<Response>((resolve, reject) => {
      socket.on("response.completed", ({ response }) => resolve(response));
      socket.on("response.incomplete", ({ response }) => resolve(response));
      socket.on("error", reject);
    });
    socket.send({ type: "response.create", ...RESPONSE });
    const [item] = (await ended).output;
    const part = item?.type === "message" ? item.content[0] : undefined;
    return part?.type === "output_text" ? part.text : "";
  } finally {
    socket.close();
  }
}

/** Reads a few events, loses the connection, and comes back. */
async function acrossLostConnection(client: OpenAI): Promise<string> {
  const options = { stream: true, stream_options: { resumable: true } as object } as const;
  let [id, last, text] = ["", -1, ""];
  for await (const event of await client.responses.create({ ...RESPONSE, ...options })) {
    if (event.type === "response.created") id = event.response.id;
    if (event.type === "response.output_text.delta") text += event.delta;
    last = event.sequence_number;
    if (text.length > 40) break;
  }
  for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: last }))
    if (event.type === "response.output_text.delta") text += event.delta;
  return text;
}

test("a response is the text that chat completions give, whole, streamed, on a socket, across a lost connection", async () => {
  await using server = await startServerProcess();
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none" });
  const chat = await client.chat.completions.create({
    model: "understudy",
    messages: [{ role: "user", content: QUESTION }],
    ...SAMPLING,
    seed: 42,
    max_tokens: 60,
  });
  const expected = chat.choices[0]!.message.content!;
  assert.ok(expected.length > 40, expected);
  const whole = await client.responses.create(RESPONSE);
  assert.equal(whole.output_text, expected);
  const streamed = await client.responses.stream(RESPONSE).finalResponse();
  assert.equal(streamed.output_text, expected);
  assert.equal(await overSocket(client), expected);
  assert.equal(await acrossLostConnection(client), expected);
  const next = await client.responses.create({
    ...RESPONSE,
    input: "And then?",
    previous_response_id: whole.id,
  });
  assert.ok(next.usage!.input_tokens > whole.usage!.total_tokens - 1);
});
