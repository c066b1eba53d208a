/** Guessing ahead changes how many steps an answer takes, and nothing that a client sees. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PartialConfig } from "../../src/config/load-config.ts";
import type { Engine, GenerationEvent } from "../../src/protocol/engine.ts";
import { actorRef, type Protocol } from "../../src/runtime/actor-types.ts";
import { compileGrammar } from "../../src/sampling/grammar/compile-grammar.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import { nextEvent } from "../runtime/runtime-harness.ts";
import { becomesIdle, params, question, startTestEngine, whole } from "./test-engine.ts";

const QUOTE = "Repeat this exactly: The fox runs over the dog. The dog runs over the fox. The fox sleeps.";
const LIST = compileGrammar({
  param: "response_format",
  kind: "json_schema",
  schema: {
    type: "array",
    items: { type: "object", properties: { name: { enum: ["fox", "dog"] } }, required: ["name"] },
    minItems: 4,
    maxItems: 6,
  },
});

/** Everything that decides on a draw or on an answer's end, where drafts are right, wrong and cut short. */
const KINDS: Readonly<Record<string, Partial<SamplingParams>>> = {
  greedy: { ignoreEos: true },
  "up to an end token": {},
  sampled: { temperature: 0.7, topP: 0.9 },
  penalised: { temperature: 0.5, repetitionPenalty: 1.1, frequencyPenalty: 0.2 },
  "with log-probabilities": { logprobs: 2, temperature: 0.3 },
  "stopped by a text": { stop: ["sleeps"] },
  "stopped by a token late": { minTokens: 20, temperature: 0.4 },
  "two answers": { n: 2, bestOf: 2, temperature: 0.6, seed: 3 },
  "best of three": { n: 1, bestOf: 3, temperature: 0.6, seed: 3 },
  "held to a grammar": { grammar: LIST, maxTokens: 120 },
};

type Seen = readonly GenerationEvent[];

/** All events of every kind, one request after the other or all at once. */
async function seenBy(engine: Engine, isTogether: boolean): Promise<Seen[]> {
  const requests = Object.entries(KINDS).map(([requestId, fields]) => ({
    requestId,
    prompt: question(QUOTE),
    params: params({ seed: 7, ...fields }),
  }));
  const seen: Seen[] = [];
  if (isTogether)
    seen.push(...(await Promise.all(requests.map(async (each) => (await whole(engine, each)).events))));
  else for (const each of requests) seen.push((await whole(engine, each)).events);
  return seen.map(byAnswer);
}

/** Answers of one request may take turns otherwise; waits are never the same twice. */
function byAnswer(events: Seen): Seen {
  const orderOf = (event: GenerationEvent) =>
    "index" in event ? event.index : event.kind === "done" ? 9 : -1;
  return events
    .map((event) => ("queueMs" in event ? { ...event, queueMs: 0 } : event))
    .toSorted((a, b) => orderOf(a) - orderOf(b));
}

const expected = await (async () => {
  await using plain = await startTestEngine({ engine: { prefixCache: false } });
  const seen = await seenBy(plain.engine, false);
  const { draftTokens, steps } = plain.engine.status().counters;
  assert.equal(draftTokens, 0);
  return { seen, steps };
})();

for (const maxDraftTokens of [1, 8, 64])
  test(`${maxDraftTokens} at most - every event is the same, in fewer steps`, async () => {
    await using guessing = await startTestEngine({ engine: { maxDraftTokens, prefixCache: false } });
    const seen = await seenBy(guessing.engine, false);
    for (const [index, kind] of Object.keys(KINDS).entries())
      assert.deepEqual(seen[index], expected.seen[index], kind);
    const { draftTokens, acceptedTokens, steps } = guessing.engine.status().counters;
    assert.ok(acceptedTokens > 0 && acceptedTokens < draftTokens, `${acceptedTokens} of ${draftTokens}`);
    assert.ok(steps <= expected.steps - acceptedTokens / 3, `${steps} steps, ${expected.steps} without`);
    assert.ok(await becomesIdle(guessing.engine));
  });

const WAYS: Readonly<Record<string, NonNullable<PartialConfig["engine"]>>> = {
  "all at once": {},
  "on two ranks": { tensorParallel: 2 },
  "with a prefix cache": { prefixCache: true },
  "out of pages": { numPages: 24, maxModelLen: 300, prefixCache: false },
};

for (const [way, engine] of Object.entries(WAYS))
  test(`${way} - every event is the same`, async () => {
    await using guessing = await startTestEngine({
      engine: { prefixCache: false, maxDraftTokens: 32, ...engine },
    });
    const seen = await seenBy(guessing.engine, way !== "on two ranks");
    const without = (events: Seen) =>
      events.map((event) =>
        event.kind === "done" ? { ...event, usage: { ...event.usage, numCachedTokens: 0 } } : event,
      );
    for (const [index, kind] of Object.keys(KINDS).entries())
      assert.deepEqual(without(seen[index]!), expected.seen[index], kind);
    const { acceptedTokens } = guessing.engine.status().counters;
    assert.ok(acceptedTokens > 0);
    assert.ok(await becomesIdle(guessing.engine));
  });

test("a sampler that crashes meanwhile - every event is the same", async () => {
  await using guessing = await startTestEngine({ engine: { prefixCache: false, maxDraftTokens: 32 } });
  const { engine, system } = guessing;
  const restarted = nextEvent(system, "restarted", ({ children }) => children.includes("sampler"));
  const seen = seenBy(engine, true);
  let numDeltas = 0;
  const beside = { prompt: question(QUOTE), params: params({ ignoreEos: true }) };
  // a message that no handler survives
  for await (const { kind } of engine.generate(beside))
    if (kind === "delta" && ++numDeltas === 20)
      system.tell<Protocol, string>(actorRef("sampler"), "plan", null);
  await restarted;
  const kinds = Object.keys(KINDS);
  for (const [index, events] of (await seen).entries())
    assert.deepEqual(events, expected.seen[index], kinds[index]);
  assert.ok(engine.status().counters.acceptedTokens > 0);
  assert.ok(await becomesIdle(engine));
});
