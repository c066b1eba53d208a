import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { fakeRun, NOT_STOPPED } from "./fake-context.ts";

test("serve prints the addresses, the model and a line to try, and drains on SIGTERM", async () => {
  const run = fakeRun({ args: ["serve", "--port", "0"] });
  const exit = runCli(run.context);
  await run.shown("Ctrl-C stops it.");
  assert.match(run.out(), /Troupe 1\.2\.3 serves fake \(FakeForCausalLM, fp32, KV f32, context 128 tokens\)/);
  assert.match(run.out(), /http:\/\/127\.0\.0\.1:4321\/v1\n/);
  assert.match(run.out(), /ws:\/\/127\.0\.0\.1:4321\/v1\/stream\n/);
  assert.match(run.out(), /curl -N http:\/\/127\.0\.0\.1:4321\/v1\/chat\/completions/);
  run.signal("SIGTERM");
  assert.equal(await exit, 0);
  assert.deepEqual(run.events, ["start", "listen", "close 30000", "stop 0"]);
});

test("keys of another system's configuration that do nothing are named once", async () => {
  const run = fakeRun({ args: ["serve", "--config", "configs/br-vllm-serving.json"] });
  const exit = runCli(run.context);
  await run.shown("Ctrl-C stops it.");
  run.signal("SIGTERM");
  assert.equal(await exit, 0);
  const warning =
    "Keys of br-vllm-serving that have no effect here: input_name, output_name, vocab_size, devices, model_file.\n";
  assert.equal(run.err().split(warning).length, 2);
  assert.deepEqual(run.configs[0]?.model.servedNames, ["troupe/understudy"]);
});

test("a second signal cuts what still runs", async () => {
  const cut = Promise.withResolvers<void>();
  const run = fakeRun({
    args: ["serve"],
    services: {
      startServer: async () => ({ ...NOT_STOPPED, url: "http://127.0.0.1:1", close: () => cut.promise }),
    },
  });
  const { services } = run.context;
  const startEngine: typeof services.startEngine = async (config, onProgress) => {
    const engine = await services.startEngine(config, onProgress);
    return { ...engine, stop: async (options) => engine.stop(options).then(cut.resolve) };
  };
  const exit = runCli({ ...run.context, services: { ...services, startEngine } });
  await run.shown("Ctrl-C stops it.");
  run.signal("SIGINT");
  await run.shown("Ctrl-C again cuts them now");
  assert.deepEqual(run.events, ["start"]);
  run.signal("SIGINT");
  assert.equal(await exit, 0);
  assert.deepEqual(run.events, ["start", "stop 0", "stop 0"]);
});

test("flags win over --config, and that over defaults", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "troupe-cli-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "a.yaml"), "server:\n  port: 9000\n  host: 0.0.0.0\nengine:\n  maxNumSeqs: 3\n");
  const run = fakeRun({
    args: [
      "serve",
      "--config",
      "a.yaml",
      "--port",
      "9001",
      "--no-prefix-cache",
      "--model",
      "m",
      "--served-model-name",
      "a",
      "b",
    ],
    cwd: folder,
  });
  const exit = runCli(run.context);
  await run.shown("Ctrl-C stops it.");
  run.signal("SIGTERM");
  assert.equal(await exit, 0);
  const { server, engine, model, log } = run.configs[0]!;
  assert.deepEqual(
    [server.port, server.host, engine.maxNumSeqs, engine.prefixCache],
    [9001, "0.0.0.0", 3, false],
  );
  assert.deepEqual([model.path, model.servedNames, log.level], [join(folder, "m"), ["a", "b"], "info"]);
  assert.match(run.out(), /http:\/\/127\.0\.0\.1:9001/);
});

for (const [title, info, line] of [
  ["a model without a chat template", { hasChatTemplate: false }, /v1\/completions .*"prompt":"Once/],
  [
    "a model without a tokenizer",
    { hasChatTemplate: false, hasTokenizer: false },
    /v1\/completions .*"prompt":\[1,2,3\]/,
  ],
] as const) {
  test(`${title} gets a line to try that works for it`, async () => {
    const run = fakeRun({ args: ["serve"], info });
    const exit = runCli(run.context);
    await run.shown("Ctrl-C stops it.");
    run.signal("SIGTERM");
    await exit;
    assert.match(run.out(), line);
  });
}

test("--log-format json announces itself in one JSON line", async () => {
  const run = fakeRun({ args: ["serve", "--log-format", "json"] });
  const exit = runCli(run.context);
  await run.shown("\n");
  run.signal("SIGTERM");
  assert.equal(await exit, 0);
  const { msg, http, models } = JSON.parse(run.out());
  assert.deepEqual([msg, http, models], ["serving", "http://127.0.0.1:8000/v1", ["fake"]]);
});

for (const [mode, drainMs] of [
  ["drain", 30_000],
  ["force", 0],
] as const) {
  test(`a stop over HTTP (${mode}) ends the command as a signal does, within ${drainMs} ms`, async () => {
    const events: string[] = [];
    const run = fakeRun({
      args: ["serve"],
      services: {
        startServer: async () => ({
          url: "http://127.0.0.1:1",
          management: "http://127.0.0.2:2",
          metrics: "http://127.0.0.2:3",
          stopRequested: Promise.resolve(mode),
          close: async (options) => void events.push(`close ${options.drainMs}`),
        }),
      },
    });
    assert.equal(await runCli(run.context), 0);
    assert.deepEqual(events, [`close ${drainMs}`]);
    assert.match(
      run.out(),
      /Management {2}http:\/\/127\.0\.0\.2:2\n {2}Metrics {5}http:\/\/127\.0\.0\.2:3\/metrics\n/,
    );
  });
}

test("a configuration of MindIE ends its start with the line that scripts wait for", async () => {
  const run = fakeRun({ args: ["serve", "--config", "configs/mindie.json"] });
  const exit = runCli(run.context);
  await run.shown("Daemon start success!\n");
  run.signal("SIGTERM");
  assert.equal(await exit, 0);
  assert.match(run.err(), /Keys of MindIE that have no effect here: LogConfig\.logFileSize, /);
});

test("a port in use is one line, exit 1, and the engine is stopped", async () => {
  const run = fakeRun({
    args: ["serve"],
    services: {
      startServer: async () => {
        throw new TroupeError(
          "address_in_use",
          "Port 8000 of 127.0.0.1 is in use;\n choose another with --port.",
        );
      },
    },
  });
  assert.equal(await runCli(run.context), 1);
  assert.match(run.err(), /\ntroupe: Port 8000 of 127\.0\.0\.1 is in use; choose another with --port\.\n$/);
  assert.deepEqual(run.events, ["start", "stop 0"]);
});
