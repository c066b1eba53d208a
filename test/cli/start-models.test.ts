import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import type { EngineOptions, Services } from "../../src/cli/services.ts";
import { startModels } from "../../src/cli/start-models.ts";
import type { TroupeConfig } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { servedNamesOf } from "../../src/config/model-entries.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { FakeEngine } from "../serving/fake-engine.ts";
import { fakeRun } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "troupe-start-models-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "two.yaml");
writeFileSync(
  file,
  `
shutdown: { drainMs: 77 }
log: { rankDir: logs }
models:
  - { path: a, precision: w8 }
  - { name: org/b, path: b, engine: { kvCacheMb: 8 } }
`,
);

interface Start {
  readonly config: TroupeConfig;
  readonly options: EngineOptions;
}

/** Engines by the names of their configurations; what is in `failing` does not start. */
function stage() {
  const starts: Start[] = [];
  const engines: FakeEngine[] = [];
  const failing = new Set<string>();
  const startEngine: Services["startEngine"] = async (config, _onProgress, options = {}) => {
    starts.push({ config, options });
    const names = servedNamesOf(config.model);
    if (failing.has(names[0])) throw new TroupeError("invalid_model", `no ${names[0]}`);
    const engine = new FakeEngine({ names });
    engines.push(engine);
    return engine;
  };
  const { context } = fakeRun({ args: [], cwd: folder, services: { startEngine } });
  return { starts, engines, failing, context };
}

test("a single model is started as ever: its records carry no name", async () => {
  const { context, starts } = stage();
  const models = await startModels(
    context,
    loadConfig({ overrides: { log: { rankDir: "logs" } }, cwd: folder }),
  );
  assert.equal(models.engines.length, 1);
  assert.deepEqual(starts[0]!.options, {});
  assert.equal(starts[0]!.config.log.rankDir, join(folder, "logs"));
});

test("several are started in their order, each with its name and its own logs of ranks", async () => {
  const { context, starts } = stage();
  const models = await startModels(context, loadConfig({ file }));
  assert.deepEqual(models.names, ["a", "org/b"]);
  assert.deepEqual(
    starts.map(({ config, options }) => [
      config.model.precision,
      config.engine.kvCacheMb,
      options.model,
      config.log.rankDir,
    ]),
    [
      ["w8", 256, "a", join(folder, "logs", "a")],
      [null, 8, "org/b", join(folder, "logs", "org_b")],
    ],
  );
});

test("when one does not start, those before it are stopped", async () => {
  const { context, engines, failing } = stage();
  failing.add("org/b");
  await assert.rejects(startModels(context, loadConfig({ file })), {
    code: "invalid_model",
    message: "no org/b",
  });
  assert.deepEqual(
    engines.map(({ state }) => state),
    ["stopped"],
  );
});

test("a call loads what its body says, over the configuration of the start", async () => {
  const { context, starts } = stage();
  const models = await startModels(context, loadConfig({ file }));
  await models.load({ name: "../c", path: "c", engine: { maxNumSeqs: 3 } });
  const { config, options } = starts[2]!;
  assert.deepEqual([config.model.path, config.model.precision], [join(folder, "c"), "w8"]);
  assert.deepEqual([config.engine.maxNumSeqs, options.model], [3, "../c"]);
  assert.equal(config.log.rankDir, join(folder, "logs", "__c"));
  assert.ok(options.signal !== undefined && !options.signal.aborted);
  await assert.rejects(models.load({ name: "d" }), { code: "invalid_request", message: /path/ });
  await assert.rejects(models.load({ path: "e", graphs: { inputModule: "e.js" } }), {
    code: "invalid_request",
    message: /inputModule is code that runs on the server/,
  });
  await models.stop({ drainMs: 0 });
  assert.equal(options.signal.aborted, true);
});

test("troupe serve says which models it serves, and stops all of them", async () => {
  const { engines } = stage();
  const startEngine: Services["startEngine"] = async (config) => {
    const engine = new FakeEngine({ names: servedNamesOf(config.model) });
    engines.push(engine);
    return engine;
  };
  const run = fakeRun({ args: ["serve", "--config", file], services: { startEngine } });
  const exit = runCli(run.context);
  await run.shown("Ctrl-C stops it.");
  assert.match(run.out(), /serves a \(llama.*\n {2}and org\/b \(llama/);
  run.signal("SIGTERM");
  assert.equal(await exit, 0);
  assert.deepEqual(
    engines.map(({ state }) => state),
    ["stopped", "stopped"],
  );
});
