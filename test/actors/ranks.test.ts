import assert from "node:assert/strict";
import { test } from "node:test";
import { cast } from "../../actors/cast.ts";
import { CastEngine } from "../../actors/engine.ts";
import { planCast } from "../../actors/start-cast.ts";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import type { Engine } from "../../src/protocol/engine.ts";
import type { ActorSystem } from "../../src/runtime/actor-system.ts";
import { type ActorRef, actorRef, type Protocol } from "../../src/runtime/actor-types.ts";
import type { ChildSpec, SupervisorSpec } from "../../src/runtime/supervisor-spec.ts";
import {
  becomesIdle,
  params,
  question,
  startTestEngine,
  type TestEngine,
  testConfig,
  whole,
} from "./test-engine.ts";

const requests = Array.from({ length: 5 }, (_, index) => ({
  prompt: question(`Tell me a short story about ${["a fox", "an owl", "a boat"][index % 3]}.`),
  params: params({ temperature: index === 0 ? 0 : 1, seed: index, maxTokens: 60, ignoreEos: true }),
}));

async function texts(engine: Engine): Promise<string[]> {
  const answers = await Promise.all(requests.map((request) => whole(engine, request)));
  return answers.map((answer) => answer.texts[0]!);
}

/** The texts when `disturb` is called in the middle. */
async function disturbedTexts(engine: Engine, disturb: () => void): Promise<string[]> {
  let numDeltas = 0;
  return await Promise.all(
    requests.map(async (request) => {
      let text = "";
      for await (const event of engine.generate(request)) {
        if (event.kind !== "delta") continue;
        text += event.text;
        if (++numDeltas === 80) disturb();
      }
      return text;
    }),
  );
}

/** A message that no handler survives. */
function crash({ system }: TestEngine, actor: string): void {
  const ref: ActorRef<Protocol> = actorRef(actor);
  assert.ok(system.tell(ref, "execute", null));
}

test("ranks give the text of one rank, and a rank that fails in the middle takes nothing of it", async () => {
  await using alone = await startTestEngine();
  const expected = await texts(alone.engine);
  for (const [tensorParallel, ranks] of [
    [2, [0, 1]],
    [4, [3]],
  ] as const) {
    await using together = await startTestEngine({ engine: { tensorParallel } });
    const { engine } = together;
    assert.deepEqual(await texts(engine), expected);
    for (const rank of ranks) {
      assert.deepEqual(
        await disturbedTexts(engine, () => crash(together, `model-agent-${rank}`)),
        expected,
        `rank ${rank} of ${tensorParallel} fails`,
      );
    }
    assert.equal(engine.status().counters.restarts, ranks.length);
    assert.equal(engine.status().state, "ready");
    assert.ok(await becomesIdle(engine));
  }
});

test("a rank that hangs is given up, and the streams go on with the same text", async () => {
  const plan = await planCast(testConfig({ engine: { tensorParallel: 2, rankTimeoutMs: 1500 } }), {});
  const calm = createActorSystem();
  const stuck = createActorSystem({ abandonAfterMs: 100 });
  try {
    await calm.supervise(cast(plan.args));
    const attach = async (system: ActorSystem) =>
      await CastEngine.attach({ system, info: await plan.describe(system), stop: () => system.shutdown() });
    const expected = await texts(await attach(calm));
    await stuck.supervise(withStuckAgent(cast(plan.args)));
    const engine = await attach(stuck);
    assert.deepEqual(await texts(engine), expected);
    assert.ok(engine.status().counters.restarts >= 1);
    // what was left alone may still write to the first one's memory
    const kvStore = stuck.inspect().actors.find(({ name }) => name === "kv-store");
    assert.ok(kvStore !== undefined && kvStore.incarnation >= 2);
    assert.ok(await becomesIdle(engine));
  } finally {
    await Promise.all([calm.shutdown(), stuck.shutdown()]);
  }
});

/** The tree with rank 1 played by an agent that gets stuck. */
function withStuckAgent(tree: SupervisorSpec): SupervisorSpec {
  const replace = (child: ChildSpec): ChildSpec => {
    if (child.kind === "supervisor") return { ...child, children: child.children.map(replace) };
    if (child.name !== "model-agent-1") return child;
    const module = new URL("./stuck-model-agent.ts", import.meta.url);
    return { ...child, module, stopTimeoutMs: 100 };
  };
  return { ...tree, children: tree.children.map(replace) };
}

test("a model that so many ranks cannot share is refused before anything starts", async () => {
  await assert.rejects(startTestEngine({ engine: { tensorParallel: 3 } }), {
    code: "invalid_config",
    message: /8 heads cannot be shared evenly by 3 ranks/,
  });
});
