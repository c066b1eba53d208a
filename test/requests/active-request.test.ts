import assert from "node:assert/strict";
import { test } from "node:test";
import type { GenerationEvent, TextLogprobs } from "../../src/protocol/engine.ts";
import { ActiveRequest, type AnswerFinish } from "../../src/requests/active-request.ts";
import { createSamplingParams } from "../../src/sampling/create-sampling-params.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";

interface Fixture {
  readonly request: ActiveRequest;
  readonly marks: string[];
}

function fixture(fields: Partial<SamplingParams> = {}): Fixture {
  const marks: string[] = [];
  const request = new ActiveRequest({
    requestId: "r1",
    promptIds: Int32Array.of(5, 6),
    promptText: "hi",
    output: null,
    params: createSamplingParams({ maxTokens: 100, ...fields }),
    submittedMs: 100,
    seed: 7,
    onPause: () => marks.push("pause"),
    onResume: () => marks.push("resume"),
  });
  return { request, marks };
}

const END: AnswerFinish = { finishReason: "stop", stopReason: null };

function logprob(tokenId: number, value: number): TextLogprobs {
  return { tokenId, logprob: value, rank: 1, top: [], text: `<${tokenId}>`, bytes: [] };
}

function give(
  request: ActiveRequest,
  index: number,
  tokenId: number,
  finish: AnswerFinish | null = null,
  score = -1,
): void {
  request.received(index, [tokenId]);
  const logprobs = request.engineRequest().params.logprobs === null ? null : [logprob(tokenId, score)];
  request.accept({ index, output: null, text: `t${tokenId}`, tokenIds: [tokenId], logprobs, finish });
}

async function all(request: ActiveRequest): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of request.events) events.push(event);
  return events;
}

test("a plain request yields prompt, deltas, finish and done with the counts", async () => {
  const { request } = fixture();
  request.started(1, 125);
  request.showPrompt(null);
  give(request, 0, 11);
  give(request, 0, 12, END);
  const events = await all(request);
  assert.deepEqual(
    events.map((event) => event.kind),
    ["prompt", "delta", "delta", "finish", "done"],
  );
  assert.deepEqual(events.at(-1), {
    kind: "done",
    usage: { numPromptTokens: 2, numOutputTokens: 2, numCachedTokens: 1 },
    queueMs: 25,
  });
  assert.equal(request.isActive, false);
});

test("after its end an answer takes nothing more", async () => {
  const { request } = fixture({ n: 2 });
  give(request, 0, 11, END);
  give(request, 0, 99);
  give(request, 1, 12, END);
  const shown = (await all(request)).flatMap((event) => (event.kind === "delta" ? event.tokenIds : []));
  assert.deepEqual(shown, [11, 12]);
});

test("a resubmission carries the tokens so far, the same seed, and no prompt log-probabilities twice", () => {
  const { request } = fixture({ n: 2, promptLogprobs: 0 });
  assert.equal(request.engineRequest().resumed, undefined);
  assert.equal(request.engineRequest().params.promptLogprobs, 0);
  request.admitted();
  request.showPrompt([null, logprob(6, -2)]);
  give(request, 0, 11, END);
  give(request, 1, 12);
  request.received(1, [13]);
  const again = request.engineRequest();
  assert.deepEqual(
    again.resumed?.map((ids) => [...ids]),
    [[11], [12, 13]],
  );
  assert.deepEqual([again.seed, again.params.promptLogprobs], [7, null]);
  assert.deepEqual(request.finishedAnswers, [0]);
});

test("each scheduler gets the request once, whoever comes first", () => {
  const { request } = fixture();
  assert.deepEqual(
    [1, 1, 2, 2].map((epoch) => request.claimSubmission(epoch)),
    [true, false, true, false],
  );
});

test("best_of shows nothing until all have ended, then the best by mean log-probability, renumbered", async () => {
  const { request } = fixture({ n: 2, bestOf: 3 });
  request.showPrompt(null);
  assert.equal(request.engineRequest().params.logprobs, 0);
  give(request, 0, 10, null, -3);
  give(request, 1, 11, END, -0.5);
  give(request, 0, 12, END, -3);
  give(request, 2, 13, END, -1);
  const events = await all(request);
  assert.deepEqual(
    events.flatMap((event) => (event.kind === "delta" ? [[event.index, ...event.tokenIds]] : [])),
    [
      [0, 11],
      [1, 13],
    ],
  );
  assert.ok(events.every((event) => event.kind !== "delta" || event.logprobs === null));
  assert.deepEqual(events.at(-1), {
    kind: "done",
    usage: { numPromptTokens: 2, numOutputTokens: 2, numCachedTokens: 0 },
  });
});

test("a client that falls behind pauses the request, and resumes it by reading", async () => {
  const { request, marks } = fixture();
  for (let i = 0; i < 70; i++) give(request, 0, i);
  assert.deepEqual(marks, ["pause"]);
  give(request, 0, 70, END);
  await all(request);
  assert.deepEqual(marks, ["pause", "resume"]);
});

test("a failure reaches the client after what it had", async () => {
  const { request } = fixture();
  give(request, 0, 1);
  request.fail(new RangeError("gone"));
  await assert.rejects(all(request), RangeError);
  assert.equal(request.isActive, false);
});
