import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import type { ActorSystem } from "../../src/runtime/actor-system.ts";
import { actorRef } from "../../src/runtime/actor-types.ts";
import type {
  ActorSpec,
  ChildSpec,
  SupervisionStrategy,
  SupervisorSpec,
} from "../../src/runtime/supervisor-spec.ts";
import { coded, nextEvent } from "./runtime-harness.ts";

type ChildProtocol = {
  crash: { message: null };
  stopSelf: { message: null };
  echo: { message: number; reply: number };
};

interface Stage {
  readonly system: ActorSystem;
  readonly clock: ManualClock;
  /** `+name` for each init, `-name` for each onStop. */
  readonly log: string[];
  /** Names whose next init fails. */
  readonly failing: Set<string>;
  child(name: string, spec?: Partial<ActorSpec>): ActorSpec;
  down(name: string, how: "crash" | "stopSelf"): void;
}

function stage(t: TestContext): Stage {
  const clock = new ManualClock();
  const system = createActorSystem({ clock, random: () => 0.5 });
  t.after(() => system.shutdown());
  const log: string[] = [];
  const failing = new Set<string>();
  const definition = defineActor<ChildProtocol, string, string>({
    init(_ctx, name) {
      if (failing.has(name)) throw new RangeError(`${name} cannot start`);
      log.push(`+${name}`);
      return name;
    },
    handlers: {
      crash() {
        throw new RangeError("crash");
      },
      stopSelf: (_state, _message, ctx) => ctx.stop(),
      echo: (_state, value) => value,
    },
    onStop: (name) => void log.push(`-${name}`),
  });
  return {
    system,
    clock,
    log,
    failing,
    child: (name, spec = {}) => ({ name, module: definition, args: name, ...spec }),
    down: (name, how) => void system.tell(actorRef<ChildProtocol>(name), how, null),
  };
}

const NO_WAIT = { minMs: 0, maxMs: 0, jitter: 0 };

function tree(
  strategy: SupervisionStrategy,
  children: readonly ChildSpec[],
  spec: Partial<SupervisorSpec> = {},
) {
  return {
    kind: "supervisor",
    name: "tree",
    strategy,
    backoff: NO_WAIT,
    children,
    ...spec,
  } as SupervisorSpec;
}

/** Lets everything that is already under way settle. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

const AFTER_CRASH: Readonly<Record<SupervisionStrategy, string[]>> = {
  "one-for-one": ["-b", "+b"],
  "one-for-all": ["-b", "-c", "-a", "+a", "+b", "+c"],
  "rest-for-one": ["-b", "-c", "+b", "+c"],
};

for (const strategy of ["one-for-one", "one-for-all", "rest-for-one"] as const) {
  for (const restart of ["permanent", "transient", "temporary"] as const) {
    for (const how of ["crash", "stopSelf"] as const) {
      const restarts = restart === "permanent" || (restart === "transient" && how === "crash");
      test(`${strategy}: a ${restart} child that ends by ${how} is ${restarts ? "restarted with its group, in order" : "left alone"}`, async (t) => {
        const { system, log, child, down } = stage(t);
        await system.supervise(tree(strategy, [child("a"), child("b", { restart }), child("c")]));
        assert.deepEqual(log.splice(0), ["+a", "+b", "+c"]);
        down("b", how);
        await settle();
        assert.deepEqual(log.splice(0), restarts ? AFTER_CRASH[strategy] : ["-b"]);
        await system.shutdown();
        assert.deepEqual(log, restarts ? ["-c", "-b", "-a"] : ["-c", "-a"]);
      });
    }
  }
}

test("a temporary sibling is stopped with its group and not started again; an ended transient one is", async (t) => {
  const { system, log, child, down } = stage(t);
  const children = [child("a"), child("b", { restart: "temporary" }), child("c", { restart: "transient" })];
  await system.supervise(tree("one-for-all", children));
  down("c", "stopSelf");
  await settle();
  log.splice(0);
  down("a", "crash");
  await settle();
  assert.deepEqual(log, ["-a", "-b", "+a", "+c"]);
});

test("a restarted supervisor has all its children again, also a temporary one that ended", async (t) => {
  const { system, clock, log, child, down } = stage(t);
  const intensity = { maxRestarts: 0, windowMs: 1000 };
  const children = [child("a"), child("b", { restart: "temporary" })];
  await system.supervise(tree("one-for-one", children, { intensity }));
  down("b", "crash");
  await settle();
  down("a", "crash");
  await settle();
  log.splice(0);
  clock.advance(3000);
  await settle();
  assert.deepEqual(log, ["+a", "+b"]);
  await system.stop({ actor: "tree" });
  await system.supervise(tree("one-for-one", children));
});

test("restarts are counted in a sliding window; one too many and the supervisor gives up", async (t) => {
  const { system, clock, log, child, down } = stage(t);
  const intensity = { maxRestarts: 2, windowMs: 1000 };
  await system.supervise(tree("one-for-one", [child("a"), child("b")], { intensity, restart: "temporary" }));
  const crash = async (): Promise<void> => {
    down("a", "crash");
    await settle();
  };
  await crash();
  clock.advance(600);
  await crash();
  clock.advance(401);
  await crash(); // the first is 1001 ms ago
  assert.equal(log.filter((entry) => entry === "+a").length, 4);
  clock.advance(599);
  const escalated = nextEvent(system, "escalated");
  log.splice(0);
  await crash(); // the second is exactly 1000 ms ago: it still counts
  const { supervisor, error } = await escalated;
  assert.equal(supervisor, "tree");
  assert.equal(error.code, "restart_budget_spent");
  assert.deepEqual(error.details, { supervisor: "tree", actor: "a", maxRestarts: 2, windowMs: 1000 });
  assert.match((error.cause as Error).message, /crash/);
  assert.deepEqual(log, ["-a", "-b"]);
  assert.equal(system.inspect().state, "running");
});

test("a supervisor that gave up is restarted whole by its own, until that one's budget is spent", async (t) => {
  const { system, log, child, down } = stage(t);
  const inner = tree("one-for-one", [child("c")], {
    name: "inner",
    intensity: { maxRestarts: 0, windowMs: 1000 },
  });
  const outer = tree("one-for-all", [child("a"), inner], {
    intensity: { maxRestarts: 1, windowMs: 1000 },
    restart: "temporary",
  });
  await system.supervise(outer);
  log.splice(0);
  down("c", "crash");
  await settle();
  assert.deepEqual(log.splice(0), ["-c", "-a", "+a", "+c"]);
  down("c", "crash");
  await settle();
  assert.deepEqual(log, ["-c", "-a"]);
});

test("the owner learns of the end: a spent budget at the top is the event `failed`", async (t) => {
  const { system, clock, log, child, down } = stage(t);
  await system.supervise(
    tree("one-for-all", [child("a")], { intensity: { maxRestarts: 0, windowMs: 1000 } }),
  );
  const failed = nextEvent(system, "failed");
  for (let n = 0; n < 4; n++) {
    down("a", "crash");
    await settle();
    clock.advance(3000);
    await settle();
  }
  const { error } = await failed;
  assert.equal(error.code, "restart_budget_spent");
  assert.equal(system.inspect().state, "failed");
  assert.equal(log.filter((entry) => entry === "+a").length, 4);
  await assert.rejects(system.spawn(child("b").module as never, { args: "b" }), coded("system_stopped"));
});

test("a tree that cannot start again at the top is `failed` too, with the cause", async (t) => {
  const { system, clock, failing, child, down } = stage(t);
  await system.supervise(tree("one-for-all", [child("a")]));
  const failed = nextEvent(system, "failed");
  failing.add("a");
  down("a", "crash");
  for (let n = 0; n < 4; n++) {
    await settle();
    clock.advance(3000);
  }
  const { error } = await failed;
  assert.equal(error.code, "restart_budget_spent");
  assert.ok(coded("actor_init_failed")(error.cause));
});

test("backoff doubles with each restart in the window, up to its limit, less its jitter", async (t) => {
  const { system, clock, log, child, down } = stage(t);
  const delays: number[] = [];
  system.events.on("restarting", ({ delayMs }) => delays.push(delayMs));
  const backoff = { minMs: 100, maxMs: 300, jitter: 0.5 };
  const intensity = { maxRestarts: 9, windowMs: 1_000_000 };
  await system.supervise(tree("one-for-one", [child("a")], { backoff, intensity }));
  log.splice(0);
  for (const expectedMs of [75, 150, 225, 225]) {
    down("a", "crash");
    await settle();
    clock.advance(expectedMs - 1);
    await settle();
    assert.deepEqual(log.splice(0), ["-a"]);
    clock.advance(1);
    await settle();
    assert.deepEqual(log.splice(0), ["+a"]);
  }
  assert.deepEqual(delays, [75, 150, 225, 225]);
});

test("messages during the backoff are refused, not kept", async (t) => {
  const { system, clock, child, down } = stage(t);
  await system.supervise(tree("one-for-one", [child("a")], { backoff: { minMs: 50, maxMs: 50, jitter: 0 } }));
  const ref = actorRef<ChildProtocol>("a");
  down("a", "crash");
  await settle();
  await assert.rejects(system.ask(ref, "echo", 1), coded("actor_down"));
  assert.equal(system.tell(ref, "crash", null), false);
  clock.advance(50);
  await settle();
  assert.equal(await system.ask(ref, "echo", 1), 1);
});

test("an init that fails at first fails the start, and the siblings are stopped in reverse order", async (t) => {
  const { system, log, failing, child } = stage(t);
  failing.add("c");
  await assert.rejects(
    system.supervise(tree("one-for-one", [child("a"), child("b"), child("c"), child("d")])),
    (error) => {
      assert.ok(error instanceof TroupeError);
      assert.equal(error.code, "actor_init_failed");
      assert.deepEqual(error.details, { actor: "c" });
      assert.ok(error.cause instanceof TroupeError && error.cause.cause instanceof RangeError);
      return true;
    },
  );
  assert.deepEqual(log, ["+a", "+b", "-b", "-a"]);
  failing.clear();
  await system.supervise(tree("one-for-one", [child("a"), child("c")]));
});

test("a child that cannot start because an earlier one is down too waits for it", async (t) => {
  const { system, log, failing, child, down } = stage(t);
  const children = [child("a"), child("b")];
  await system.supervise(tree("one-for-one", children, { restart: "temporary" }));
  system.events.on("restarted", ({ children: [name] }) => name === "a" && failing.clear());
  log.splice(0);
  failing.add("b");
  down("b", "crash");
  down("a", "crash");
  await settle();
  assert.deepEqual(log, ["-b", "-a", "+a", "+b"]);
});

test("an init that fails during a restart is tried again, with those after it, within the budget", async (t) => {
  const { system, log, failing, child, down } = stage(t);
  const intensity = { maxRestarts: 4, windowMs: 1000 };
  const children = [child("a"), child("b"), child("c")];
  await system.supervise(tree("rest-for-one", children, { restart: "temporary", intensity }));
  let numTries = 0;
  system.events.on("restarting", () => {
    if (++numTries === 3) failing.clear();
  });
  failing.add("c");
  log.splice(0);
  down("b", "crash");
  await settle();
  assert.deepEqual(log.splice(0), ["-b", "-c", "+b", "+c"]);
  failing.add("b");
  const escalated = nextEvent(system, "escalated");
  down("b", "crash");
  const { error } = await escalated;
  assert.equal(error.code, "restart_budget_spent");
  assert.ok(coded("actor_init_failed")(error.cause));
  assert.deepEqual(log, ["-b", "-c", "-a"]);
});

test("a second child that fails while its group restarts is one more restart; past the budget it is escalated", async (t) => {
  const { system, log, failing, child, down } = stage(t);
  const inner = tree("one-for-all", [child("b"), child("c")], {
    name: "inner",
    intensity: { maxRestarts: 1, windowMs: 1000 },
  });
  const outer = tree("rest-for-one", [child("a"), inner, child("d")], { restart: "temporary" });
  await system.supervise(outer);
  log.splice(0);
  system.events.on("restarting", ({ supervisor }) => {
    // the first try of `inner` meets it, the restart that it leads to further up does not
    if (supervisor === "inner") failing.add("c");
    else failing.clear();
  });
  const escalated = nextEvent(system, "escalated");
  down("b", "crash");
  assert.equal((await escalated).supervisor, "inner");
  await settle();
  assert.deepEqual(log, ["-b", "-c", "+b", "-b", "-d", "+b", "+c", "+d"]);
  assert.ok(system.inspect().actors.every(({ state }) => state === "running"));
});

test("args may be a function, called anew for every incarnation", async (t) => {
  const { system, log, child, down } = stage(t);
  await system.supervise(
    tree("one-for-one", [child("a", { args: (incarnation: number) => `a${incarnation}` })]),
  );
  down("a", "crash");
  await settle();
  assert.deepEqual(log, ["+a1", "-a1", "+a2"]);
});

test("args that throw fail the start", async (t) => {
  const { system, child } = stage(t);
  const args = (): never => {
    throw new TroupeError("file_error", "no space");
  };
  await assert.rejects(system.supervise(tree("one-for-one", [child("a", { args })])), (error) => {
    assert.ok(coded("actor_init_failed")(error));
    return coded("file_error")((error as TroupeError).cause);
  });
});

test("a shutdown during the backoff ends it; nothing is started any more", async (t) => {
  const { system, clock, log, child, down } = stage(t);
  await system.supervise(
    tree("one-for-one", [child("a"), child("b")], { backoff: { minMs: 50, maxMs: 50, jitter: 0 } }),
  );
  down("a", "crash");
  await settle();
  await system.shutdown();
  clock.advance(1000);
  await settle();
  assert.deepEqual(log, ["+a", "+b", "-a", "-b"]);
  assert.equal(clock.numPending, 0);
});

test("what is stopped during its backoff is not started again", async (t) => {
  const { system, clock, log, child, down } = stage(t);
  const { module, args } = child("a");
  const a = await system.spawn(module as never, { name: "a", args: args as never });
  down("a", "crash");
  await settle();
  await system.stop(a);
  clock.advance(10_000);
  await settle();
  assert.deepEqual(log, ["+a", "-a"]);
  assert.equal(system.inspect().state, "running");
});

test("two children that go down at the same time are both handled", async (t) => {
  const { system, log, child, down } = stage(t);
  await system.supervise(tree("one-for-one", [child("a"), child("b"), child("c")]));
  log.splice(0);
  down("a", "crash");
  down("c", "crash");
  await settle();
  assert.deepEqual(log.splice(0).sort(), ["+a", "+c", "-a", "-c"]);
  assert.deepEqual(
    system.inspect().actors.map(({ name, state, numRestarts }) => [name, state, numRestarts]),
    [
      ["a", "running", 1],
      ["b", "running", 0],
      ["c", "running", 1],
    ],
  );
});

test("a spec is checked before anything starts", async (t) => {
  const { system, log, child } = stage(t);
  const bad: [ChildSpec[], Partial<SupervisorSpec>, string][] = [
    [[child("a"), child("a")], {}, "name"],
    [[child("tree")], {}, "name"],
    [[child("a", { host: "moon" })], {}, "host"],
    [[child("a", { stopTimeoutMs: -1 })], {}, "stopTimeoutMs"],
    [[child("a")], { intensity: { maxRestarts: -1, windowMs: 1 } }, "intensity.maxRestarts"],
    [[child("a")], { backoff: { minMs: 5, maxMs: 1, jitter: 0 } }, "backoff.maxMs"],
    [[child("a")], { backoff: { minMs: 5, maxMs: 9, jitter: Number.NaN } }, "backoff.jitter"],
  ];
  for (const [children, spec, path] of bad) {
    await assert.rejects(system.supervise(tree("one-for-one", children, spec)), (error) => {
      return coded("invalid_config")(error) && (error as TroupeError).details.path === path;
    });
  }
  assert.deepEqual(log, []);
  await assert.rejects(
    system.spawn(child("x").module as never, { name: "system", args: "x" }),
    coded("invalid_config"),
  );
});
