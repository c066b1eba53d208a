import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import type { Engine } from "../../src/protocol/engine.ts";
import { type LoadPlan, ModelRegistry } from "../../src/serving/model-registry.ts";
import { FakeEngine } from "./fake-engine.ts";

const engineOf = (...names: string[]): FakeEngine => new FakeEngine({ names });

interface Pending extends LoadPlan {
  readonly started: ReturnType<typeof Promise.withResolvers<Engine>>;
  signal: AbortSignal | null;
}

/** A registry whose loads end when the test says so. */
function stage(...engines: [FakeEngine, ...FakeEngine[]]) {
  const loads: Pending[] = [];
  const changes: string[] = [];
  const plan = (entry: unknown): LoadPlan => {
    if (!Array.isArray(entry)) throw new TroupeError("invalid_request", "no names");
    const load: Pending = {
      names: entry as [string],
      started: Promise.withResolvers<Engine>(),
      signal: null,
      start(signal) {
        load.signal = signal;
        return load.started.promise;
      },
    };
    loads.push(load);
    return load;
  };
  const models = new ModelRegistry({ engines, plan });
  models.follow({
    added: ({ info }) => void changes.push(`+${info.names[0]}`),
    removed: ({ info }) => void changes.push(`-${info.names[0]}`),
  });
  const phases = () => models.entries.map(({ names, phase }) => `${names[0]} ${phase}`);
  return { models, loads, changes, phases };
}

const refused = (message: RegExp) => ({ code: "invalid_request", message });

test("the first engine answers where no model is named; any of its names finds an engine", () => {
  const [first, second] = [engineOf("a", "org/a"), engineOf("b")];
  const { models } = stage(first, second);
  assert.equal(models.default, first);
  assert.deepEqual([models.find("org/a"), models.find("b"), models.find("c")], [first, second, null]);
  assert.deepEqual(models.names, ["a", "org/a", "b"]);
  assert.throws(() => new ModelRegistry({ engines: [first, engineOf("x", "org/a")] }), refused(/org\/a/));
});

test("a model is found once it is loaded, and its names are taken from the beginning", async () => {
  const { models, loads, phases, changes } = stage(engineOf("a"));
  const load = models.load(["b", "b2"]);
  assert.deepEqual(phases(), ["a loaded", "b loading"]);
  assert.equal(models.find("b"), null);
  await assert.rejects(models.load(["b2"]), refused(/b2 is loading/));
  await assert.rejects(models.unload("b2", 0), refused(/b is loading now/));
  const engine = engineOf("b", "b2");
  loads[0]!.started.resolve(engine);
  assert.equal((await load).phase, "loaded");
  assert.equal(models.find("b2"), engine);
  assert.deepEqual(changes, ["+b"]);
  await assert.rejects(models.load("nonsense"), refused(/no names/));
});

test("a load that fails says why, is shown, gives its names up, and disturbs nobody", async () => {
  const { models, loads, phases, changes } = stage(engineOf("a"));
  const load = models.load(["b"]);
  loads[0]!.started.reject(new TroupeError("invalid_model", "no weights"));
  await assert.rejects(load, { code: "invalid_model", message: "no weights" });
  assert.deepEqual(phases(), ["a loaded", "b failed"]);
  assert.deepEqual(changes, []);
  const again = models.load(["b"]);
  assert.deepEqual(phases(), ["a loaded", "b loading"]);
  loads[1]!.started.reject(new Error("again"));
  await assert.rejects(again, { code: "internal" });
  await models.unload("b", 0);
  assert.deepEqual(phases(), ["a loaded"]);
});

test("a model that is unloaded is found no more, and is gone when its engine has ended", async () => {
  const ended = Promise.withResolvers<void>();
  const drains: unknown[] = [];
  const engine = engineOf("b");
  engine.stop = (options?: unknown) => {
    drains.push(options);
    return ended.promise;
  };
  const { models, phases, changes } = stage(engineOf("a"), engine);
  const unload = models.unload("b", 1234);
  assert.deepEqual([models.find("b"), phases()], [null, ["a loaded", "b unloading"]]);
  await assert.rejects(models.unload("b", 0), refused(/unloading/));
  await assert.rejects(models.load(["b"]), refused(/unloading/));
  assert.deepEqual([drains, changes], [[{ drainMs: 1234 }], []]);
  ended.resolve();
  await unload;
  assert.deepEqual([phases(), changes], [["a loaded"], ["-b"]]);
  await assert.rejects(models.unload("b", 0), { code: "model_not_found", message: /only: a/ });
});

test("after the default model the next one is the default; the last one stays", async () => {
  const [first, second] = [engineOf("a"), engineOf("b")];
  const { models } = stage(first, second);
  await models.unload("a", 0);
  assert.equal(models.default, second);
  await assert.rejects(models.unload("b", 0), refused(/only model/));
  assert.equal(second.state, "ready");
});

test("an engine that does not end well is gone all the same, and the caller is told", async () => {
  const engine = engineOf("b");
  engine.stop = () => Promise.reject(new TroupeError("deadline_exceeded", "did not park"));
  const { models, phases } = stage(engineOf("a"), engine);
  await assert.rejects(models.unload("b", 0), { code: "deadline_exceeded" });
  assert.deepEqual(phases(), ["a loaded"]);
});

test("stopping ends every engine, gives up what is being loaded, and lets nothing begin", async () => {
  const [first, second, late] = [engineOf("a"), engineOf("b"), engineOf("c")];
  const { models, loads } = stage(first, second);
  const load = models.load(["c"]);
  const stop = models.stop({ drainMs: 0 });
  assert.equal(loads[0]!.signal?.aborted, true);
  loads[0]!.started.resolve(late);
  await assert.rejects(load, { code: "cancelled" });
  await stop;
  assert.deepEqual(
    [first, second, late].map(({ state }) => state),
    ["stopped", "stopped", "stopped"],
  );
  await assert.rejects(models.load(["d"]), { code: "not_ready" });
});

test("without a plan nothing can be loaded", async () => {
  const models = new ModelRegistry({ engines: [engineOf("a")] });
  await assert.rejects(models.load({}), { code: "unsupported" });
});
