/**
 * 100,000 actors with their asks, streams, watches, timers and groups come and go; prints what is left as JSON. A process
 * of its own, because the test runner's bookkeeping of promises takes more time and memory than all of it.
 */
import { ManualClock } from "../../src/core/manual-clock.ts";
import { invariant } from "../../src/errors/troupe-error.ts";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import type { ActorRef } from "../../src/runtime/actor-types.ts";

type MayflyProtocol = {
  echo: { message: number; reply: number };
  items: { message: null; item: number };
  watch: { message: ActorRef<MayflyProtocol>; reply: null };
};

const mayfly = defineActor<MayflyProtocol, null, null>({
  init(ctx) {
    ctx.join("mayflies");
    return null;
  },
  handlers: {
    echo: (_state, n, ctx) => {
      ctx.after(60_000, () => undefined);
      return n;
    },
    async *items() {
      for (let n = 0; ; n++) yield n;
    },
    watch: (_state, ref, ctx) => {
      ctx.watch(ref);
      ctx.watchGroup("mayflies", () => undefined);
      return null;
    },
  },
});

const NUM_ACTORS = 100_000;
const NUM_WARM_UP = 5_000;
const BATCH = 100;

const clock = new ManualClock();
const system = createActorSystem({ clock });
const survivor = await system.spawn(mayfly, { name: "survivor", args: null });

async function oneLife(n: number): Promise<void> {
  const ref = await system.spawn(mayfly, { args: null });
  invariant((await system.ask(ref, "echo", n)) === n, "an answer of another ask");
  if (n % 100 === 0) {
    await system.ask(ref, "watch", survivor);
    for await (const item of system.stream(ref, "items", null, { window: 2 })) if (item === 3) break;
  }
  await system.stop(ref);
}

async function heapAfter(from: number, to: number): Promise<number> {
  for (let n = from; n < to; n += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, (_, index) => oneLife(n + index)));
  }
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const firstBytes = await heapAfter(0, NUM_WARM_UP);
const lastBytes = await heapAfter(NUM_WARM_UP, NUM_ACTORS);
const { actors, numPendingCalls } = system.inspect();
console.log(
  JSON.stringify({
    actors: actors.map(({ name }) => name),
    members: system.members("mayflies"),
    numPendingCalls,
    numTimers: clock.numPending,
    grownBytes: lastBytes - firstBytes,
  }),
);
await system.shutdown();
