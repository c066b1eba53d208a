import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { GenerationEvent } from "../../src/protocol/engine.ts";
import {
  becomesIdle,
  modelPath,
  params,
  question,
  startTestEngine,
  type TestEngine,
  whole,
} from "./test-engine.ts";

interface Conversation {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly prompt_ids: readonly number[];
  readonly prompt_text: string;
  readonly greedy_ids: readonly number[];
  readonly text: string;
}

let running: TestEngine;
before(async () => {
  running = await startTestEngine({ engine: { maxNumSeqs: 8, maxQueuedRequests: 16 } });
});
after(() => running.engine.stop());

test("engine - every conversation gets the answer that transformers gave, all at once", async () => {
  const path = modelPath("models/understudy/expected.json");
  const conversations: readonly Conversation[] = JSON.parse(await readFile(path, "utf8"));
  const answers = await Promise.all(
    conversations.map(({ messages, greedy_ids }) =>
      whole(running.engine, {
        prompt: { kind: "chat", messages },
        params: params({ maxTokens: greedy_ids.length }),
      }),
    ),
  );
  answers.forEach((answer, index) => {
    const expected = conversations[index]!;
    const [prompt] = answer.events;
    assert.ok(prompt?.kind === "prompt");
    assert.deepEqual([prompt.promptText, prompt.promptIds], [expected.prompt_text, expected.prompt_ids]);
    assert.deepEqual([answer.texts[0], answer.tokenIds[0]], [expected.text, expected.greedy_ids]);
    assert.equal(answer.usage.numOutputTokens, expected.greedy_ids.length);
  });
});

test("engine - a stop string ends the answer in front of it, also across tokens", async () => {
  const request = { prompt: question("Count from 1 to 12."), params: params({ stop: ["5, 6"] }) };
  const { texts, finishes } = await whole(running.engine, request);
  assert.equal(texts[0], "1, 2, 3, 4, ");
  assert.deepEqual([finishes[0]?.finishReason, finishes[0]?.stopReason], ["stop", "5, 6"]);
});

test("engine - n answers differ by seed, best_of returns the likeliest of more, both repeatable", async () => {
  const story = {
    prompt: question("Tell me a story about a fox."),
    params: params({ temperature: 1, seed: 5, n: 3, maxTokens: 24 }),
  };
  const [first, again] = await Promise.all([whole(running.engine, story), whole(running.engine, story)]);
  assert.equal(new Set(first.texts).size, 3);
  assert.deepEqual(first.texts, again.texts);
  const best = await whole(running.engine, { ...story, params: { ...story.params, n: 1, bestOf: 3 } });
  assert.equal(best.texts.length, 1);
  assert.ok(first.texts.includes(best.texts[0]!));
});

test("engine - prompt log-probabilities come with the prompt, before the first token", async () => {
  const { events } = await whole(running.engine, {
    prompt: { kind: "text", text: "Once upon a time" },
    params: params({ promptLogprobs: 2, maxTokens: 1 }),
  });
  const [prompt] = events;
  assert.ok(prompt?.kind === "prompt" && prompt.promptLogprobs !== null);
  assert.equal(prompt.promptLogprobs.length, prompt.promptIds.length);
  assert.equal(prompt.promptLogprobs[0], null);
  prompt.promptLogprobs.slice(1).forEach((position, index) => {
    assert.equal(position?.tokenId, prompt.promptIds[index + 1]);
    assert.equal(position?.top.length, 2);
  });
  assert.equal(
    prompt.promptLogprobs.map((position) => position?.text ?? "Once").join(""),
    "Once upon a time",
  );
});

test("engine - what can never fit is refused at once, with the limit", async () => {
  const ids = Array.from({ length: 2048 }, () => 5);
  const refused = whole(running.engine, { prompt: { kind: "ids", ids }, params: params({ maxTokens: 1 }) });
  await assert.rejects(refused, { code: "prompt_too_long", message: /2048 tokens.*limit is 2048/ });
});

test("engine - beyond the waiting queue a request is refused, and those that run are not disturbed", async () => {
  const request = {
    prompt: question("Tell me a story."),
    params: params({ ignoreEos: true, maxTokens: 40 }),
  };
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => whole(running.engine, request)));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  const served = outcomes.filter((outcome) => outcome.status === "fulfilled");
  assert.ok(
    refused.length > 0 && refused.every(({ reason }) => reason.code === "queue_full" && reason.retryable),
  );
  assert.ok(served.length >= 8 + 16);
  assert.equal(new Set(served.map(({ value }) => value.texts[0])).size, 1);
});

test("engine - leaving the loop, an abort and a deadline free slot and pages", async () => {
  const request = {
    prompt: question("Tell me a story."),
    params: params({ ignoreEos: true, maxTokens: 1500 }),
  };
  for await (const event of running.engine.generate(request)) if (event.kind === "delta") break;
  const controller = new AbortController();
  const aborted = (async () => {
    for await (const event of running.engine.generate(request, { signal: controller.signal }))
      if (event.kind === "delta") controller.abort();
  })();
  await assert.rejects(aborted, { code: "cancelled" });
  const early = AbortSignal.abort();
  await assert.rejects(
    async () => {
      for await (const event of running.engine.generate(request, { signal: early })) assert.fail(event.kind);
    },
    { code: "cancelled" },
  );
  assert.ok(await becomesIdle(running.engine));
});

test("engine - a client that stops reading is paused, its neighbour is not", async () => {
  const request = {
    prompt: question("Tell me a story."),
    params: params({ ignoreEos: true, maxTokens: 1000 }),
  };
  const slow = running.engine.generate(request)[Symbol.asyncIterator]();
  await slow.next();
  const neighbour = await whole(running.engine, request);
  const before = running.engine.status().counters.generationTokens;
  await whole(running.engine, { ...request, params: params({ ignoreEos: true, maxTokens: 500 }) });
  const others = running.engine.status().counters.generationTokens - before;
  assert.ok(others < 520, `the paused sequence went on: ${others} tokens`);
  let tokens = 0;
  for (let next = await slow.next(); !next.done; next = await slow.next()) {
    const event: GenerationEvent = next.value;
    if (event.kind === "delta") tokens += event.tokenIds.length;
  }
  assert.equal(tokens, 1000);
  assert.equal(neighbour.usage.numOutputTokens, 1000);
});

test("engine - text and ids turn into each other", async () => {
  const { ids, tokens } = await running.engine.tokenize({ kind: "text", text: "Hello, wörld 😀" });
  assert.equal(ids.length, tokens.length);
  assert.equal(await running.engine.detokenize(ids), "Hello, wörld 😀");
});
