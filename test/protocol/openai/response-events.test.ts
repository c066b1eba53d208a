import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import type { AnswerEvent } from "../../../src/protocol/collected-generation.ts";
import type { TextLogprobs } from "../../../src/protocol/engine.ts";
import type { ResponseEvent } from "../../../src/protocol/openai/response-event.ts";
import { ResponseEvents } from "../../../src/protocol/openai/response-events.ts";
import { toResponseHeader } from "../../../src/protocol/openai/response-object.ts";
import { readResponseRequest } from "../../../src/protocol/openai/response-request.ts";
import { onLane, toResponseErrorMessage } from "../../../src/protocol/openai/response-socket-messages.ts";
import { createSamplingParams } from "../../../src/sampling/create-sampling-params.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const USAGE = { numPromptTokens: 3, numOutputTokens: 2, numCachedTokens: 1 };
const TOOL = { type: "function", name: "f", parameters: { type: "object" }, strict: true };
const LOST = new TroupeError("engine_failed", "Lost.");

function start(body: object = {}): ResponseEvents {
  const request = readResponseRequest({ input: "Hi", metadata: { a: "b" }, user: "me", ...body });
  const params = createSamplingParams(request.fields);
  const header = toResponseHeader(request, params, { id: "resp_1", created: 1, model: "understudy" });
  const tools = request.tools.request === null ? null : ({ parser: "hermes", maxCalls: 9 } as const);
  return new ResponseEvents({ header, itemId: "msg_1", unixSeconds: () => 2, tools });
}

function token(text: string, withLogprobs = false): AnswerEvent {
  const entry = { tokenId: 1, logprob: -0.5, rank: 1, text, bytes: [1] };
  const logprobs: TextLogprobs[] = [{ ...entry, top: [entry] }];
  return { kind: "delta", index: 0, text, tokenIds: [1], logprobs: withLogprobs ? logprobs : null };
}

function finish(finishReason: "stop" | "length" | "cancelled"): AnswerEvent {
  return { kind: "finish", index: 0, finishReason, stopReason: null };
}

/** One stream of every kind there is. */
function streams(): ResponseEvent[][] {
  const make = (body: object, play: (events: ResponseEvents) => ResponseEvent[][]): ResponseEvent[] => {
    const events = start(body);
    const opening = events.opening();
    return [...opening, ...play(events).flat()];
  };
  return [
    make({}, (e) => [e.step(token("a")), e.step(finish("stop")), e.complete(USAGE)]),
    make({ top_logprobs: 1 }, (e) => [
      e.step(token("a", true)),
      e.step(token("b", true)),
      e.step(finish("length")),
      e.complete(USAGE),
    ]),
    make({ store: false, instructions: "x", background: false }, (e) => [e.step(token("a")), e.cancel()]),
    make({}, (e) => [e.step(token("a")), e.fail(LOST)]),
    make({}, (e) => [e.fail(new TroupeError("queue_full", "Full."))]),
    make({}, (e) => [e.step(finish("stop")), e.complete(USAGE)]),
    make({}, (e) => [e.step(token("a")), e.step(finish("cancelled")), e.complete(USAGE)]),
    make(
      { text: { format: { type: "json_schema", name: "x", schema: { type: "object" }, strict: true } } },
      (e) => [e.step(token("{}")), e.step(finish("stop")), e.complete(USAGE)],
    ),
    make({ tools: [TOOL], tool_choice: { type: "function", name: "f" }, parallel_tool_calls: false }, (e) => [
      ...['See <tool_call>{"name": "f", ', '"arguments": {"x"', ": 1}}</tool_call>"].map((text) =>
        e.step(token(text)),
      ),
      e.step(token('<tool_call>{"name": "f"}</tool_call> done', true)),
      e.step(finish("stop")),
      e.complete(USAGE),
    ]),
    make({ tools: [TOOL] }, (e) => [e.step(token('<tool_call>{"name": "f", "arguments": {')), e.cancel()]),
    make({ tools: [TOOL] }, (e) => [e.step(finish("stop")), e.complete(USAGE)]),
  ];
}

test("every event is what the official client's types say", () => {
  const all = streams().flat();
  const onSocket = [...all.map((event) => onLane("lane", event)), toResponseErrorMessage("lane", LOST)];
  // Inside the checkout, so that the package is found. A literal is checked for fields too many as well.
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache", "types-"));
  try {
    writeFileSync(
      join(folder, "events.ts"),
      `import type { Response, ResponsesServerEvent, ResponseStreamEvent } from "openai/resources/responses/responses";
// The client adds output_text by itself.
type Wire<T> = T extends { response: Response } ? Omit<T, "response"> & { response: Omit<Response, "output_text"> } : T;
export const overSse: Wire<ResponseStreamEvent>[] = ${JSON.stringify(all)};
export const onSocket: Wire<ResponsesServerEvent>[] = ${JSON.stringify(onSocket)};
`,
    );
    const config = { extends: "../../tsconfig.json", include: ["events.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    execFileSync(process.execPath, [compiler, "--noEmit", "-p", folder], { encoding: "utf8" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("whatever happens, a stream is numbered from 0 and ends with one last event", () => {
  for (const events of streams()) {
    assert.deepEqual(
      events.map(({ sequence_number }) => sequence_number),
      [...events.keys()],
    );
    const last = events.filter(({ type }) => /\.(completed|incomplete|failed)$/.test(type));
    assert.deepEqual(last, [events.at(-1)]);
    const types = events.map(({ type }) => type);
    for (const [opened, closed] of [
      ["response.output_item.added", "response.output_item.done"],
      ["response.content_part.added", "response.content_part.done"],
    ] as const)
      assert.equal(
        types.filter((type) => type === opened).length,
        types.filter((type) => type === closed).length,
      );
  }
});

test("an ended response stays as it is", () => {
  const events = start();
  events.opening();
  events.step(token("a"));
  events.step(finish("stop"));
  events.complete(USAGE);
  assert.deepEqual([events.cancel(), events.fail(LOST)], [[], []]);
  assert.equal(events.response.status, "completed");
});
