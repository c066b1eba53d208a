import assert from "node:assert/strict";
import { test } from "node:test";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import rogueActor from "../runtime/actors/rogue-actor.ts";
import { coded } from "../runtime/runtime-harness.ts";

test("actors that never run out of messages leave the thread its timers, and each other their turn", async (t) => {
  const system = createActorSystem();
  t.after(() => system.shutdown());
  const rogues = await Promise.all([0, 1].map(() => system.spawn(rogueActor, { args: {} })));
  for (const rogue of rogues) system.tell(rogue, "loop", null);
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setTimeout(resolve, 0));
  for (const rogue of rogues) assert.ok((await system.ask(rogue, "numLoops", null)) > 0);
});

test("messages go by reference on the same thread", async (t) => {
  const system = createActorSystem();
  t.after(() => system.shutdown());
  const rogue = await system.spawn(rogueActor, { args: {} });
  const answer = await system.ask(rogue, "answerWith", "function");
  assert.equal(typeof answer, "function");
});

test("what is no definition fails the start", async (t) => {
  const system = createActorSystem();
  t.after(() => system.shutdown());
  for (const definition of [{}, { init: () => 0, handlers: {}, concurrency: 0 }, { init: 1, handlers: {} }]) {
    await assert.rejects(
      system.spawn(definition as never, { args: null as never }),
      coded("actor_init_failed"),
    );
  }
});
