import assert from "node:assert/strict";
import { test } from "node:test";
import { type ActorRef, actorRef, type Protocol } from "../../src/runtime/actor-types.ts";
import { becomesIdle, params, question, startTestEngine, type TestEngine, whole } from "./test-engine.ts";

const requests = Array.from({ length: 6 }, (_, index) => ({
  prompt: question(`Tell me a short story about ${["a fox", "an owl", "a boat"][index % 3]}.`),
  params: params({
    temperature: 1,
    seed: index,
    maxTokens: 150,
    ignoreEos: true,
    ...(index === 5 ? { n: 2 } : {}),
  }),
}));

/** A message that no handler survives. */
function crash({ system }: TestEngine, actor: string, kind: string): void {
  const ref: ActorRef<Protocol> = actorRef(actor);
  assert.ok(system.tell(ref, kind, null));
}

for (const [actor, kind] of [
  ["model-agent-0", "execute"],
  ["sampler", "plan"],
  ["scheduler", "sampled"],
] as const) {
  test(`${actor} crashes in the middle of running streams: they go on with the same text`, async () => {
    await using running = await startTestEngine();
    const { engine } = running;
    const calm = await Promise.all(requests.map((request) => whole(engine, request)));
    let numDeltas = 0;
    const disturbed = await Promise.all(
      requests.map(async (request) => {
        const texts: string[] = [];
        for await (const event of engine.generate(request)) {
          if (event.kind !== "delta") continue;
          texts[event.index] = (texts[event.index] ?? "") + event.text;
          if (++numDeltas === 200) crash(running, actor, kind);
        }
        return texts;
      }),
    );
    assert.deepEqual(
      disturbed,
      calm.map(({ texts }) => texts),
    );
    assert.ok(engine.status().counters.restarts >= 1);
    assert.equal(engine.status().state, "ready");
    assert.ok(await becomesIdle(engine));
  });
}

test("when the restart budget is spent, requests fail with a coded, retryable error and nothing hangs", async () => {
  await using running = await startTestEngine({ engine: { maxRestarts: 0 } });
  const { engine } = running;
  const stream = engine.generate({
    prompt: question("Tell me a story."),
    params: params({ ignoreEos: true, maxTokens: 900 }),
  });
  let isCrashed = false;
  await assert.rejects(
    async () => {
      for await (const event of stream) {
        if (event.kind !== "delta" || isCrashed) continue;
        isCrashed = true;
        crash(running, "sampler", "plan");
      }
    },
    { code: "engine_failed", retryable: true },
  );
  assert.notEqual(engine.status().state, "ready");
  await assert.rejects(whole(engine, { prompt: question("Hello"), params: params() }), {
    code: "engine_failed",
  });
});
