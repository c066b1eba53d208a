import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { RunningServables, ServablesOptions } from "../../actors/servables.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { type FakeRun, fakeRun } from "./fake-context.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A run whose servables are only noted. */
function run(
  ...args: readonly string[]
): FakeRun & { readonly given: ServablesOptions[]; readonly stops: number[] } {
  const given: ServablesOptions[] = [];
  const stops: number[] = [];
  const running: RunningServables = {
    servables: [
      {
        name: "s",
        version: 2,
        batchSize: 4,
        models: [],
        methods: [{ name: "m", inputs: ["a", "b"], outputs: ["y"] }],
      },
    ],
    restUrl: "http://127.0.0.1:1500",
    grpcAddress: "unix:s.sock",
    status: () => "ready",
    stop: async ({ drainMs = 0 } = {}) => void stops.push(drainMs),
  };
  const services = {
    startServables: async (options: ServablesOptions) => {
      given.push(options);
      return running;
    },
  };
  return { ...fakeRun({ args: ["servables", ...args], services, cwd: "/there" }), given, stops };
}

test("says what is served and where, and drains at the first signal", async () => {
  const fake = run("a.ts");
  const exit = runCli(fake.context);
  await fake.shown("Ctrl-C stops it.");
  assert.match(fake.out(), /s, version 2, batches of 4: m\(a, b\)/);
  assert.match(fake.out(), /REST +http:\/\/127\.0\.0\.1:1500\/model\/s:m\n +gRPC +unix:s\.sock/);
  fake.signal("SIGTERM");
  assert.equal(await exit, 0);
  assert.deepEqual(fake.stops, [30_000]);
  assert.match(fake.out(), /Stopping: .*30 s more.*\nStopped\.\n$/);
});

test("flags become options; paths count from the working directory", async () => {
  const fake = run(
    ...["a.ts", "b/c.ts", "--rest", "0.0.0.0:80", "--grpc", "none", "--rest-errors", "http"],
    ...[
      "--max-msg-mb-size",
      "7",
      "--certificate",
      "c.pem",
      "--private-key",
      "k.pem",
      "--custom-ca",
      "ca.pem",
    ],
    ...[
      "--verify-client",
      "--servable-version",
      "3",
      "--devices",
      "cpu:0,cuda:1",
      "--num-parallel-workers",
      "5",
    ],
    ...["--threads", "2", "--max-enqueued-requests", "9", "--log-format", "json"],
  );
  const exit = runCli(fake.context);
  await fake.shown('{"msg":"serving"');
  fake.signal("SIGINT");
  await exit;
  const entry = { version: 3, devices: ["cpu:0", "cuda:1"], numParallelWorkers: 5 };
  const tls = { certificate: "c.pem", privateKey: "k.pem", customCa: "ca.pem", verifyClient: true };
  assert.deepEqual(fake.given, [
    {
      servables: [
        { module: resolve("/there", "a.ts"), ...entry },
        { module: resolve("/there", "b/c.ts"), ...entry },
      ],
      rest: { address: "0.0.0.0:80", maxMsgMbSize: 7, tls, errorStatus: "http" },
      grpc: null,
      threads: 2,
      maxEnqueuedRequests: 9,
    },
  ]);
  assert.match(fake.out(), /"servables":\[\{"name":"s","version":2,"methods":\["m"\]\}\]/);
});

for (const [args, message] of [
  [["a.ts", "--certificate", "c.pem"], /TLS needs both --certificate and --private-key/],
  [["a.ts", "--verify-client"], /TLS needs both/],
  [["a.ts", "--rest", "none", "--grpc", "none"], /leave nobody to ask/],
  [[], /missing required argument/],
] as const) {
  test(`servables ${args.join(" ")} is a usage error`, async () => {
    const fake = run(...args);
    assert.equal(await runCli(fake.context), 2);
    assert.match(fake.err(), message);
  });
}

test("the command serves the example until SIGTERM", { skip: process.platform === "win32" }, async () => {
  const args = ["src/cli/main.ts", "servables", "examples/stripes/stripes-servable.ts"];
  const addresses = ["--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log-level", "warn"];
  const child = spawn(process.execPath, [...args, ...addresses], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let url = "";
  for await (const line of createInterface({ input: child.stdout })) {
    url = /REST +(\S+)/.exec(line)?.[1] ?? url;
    if (!line.startsWith("Ctrl-C")) continue;
    const image = Buffer.from(Array.from({ length: 256 }, (_, i) => (i % 4 === 0 ? 255 : 0))).toString(
      "base64",
    );
    const body = JSON.stringify({ instances: { image: { b64: image } } });
    const response = await fetch(url, { method: "POST", body });
    assert.equal(await response.text(), '{"instances":[{"label":"columns"}]}');
    child.kill("SIGTERM");
  }
  assert.deepEqual(await exited, [0, null]);
});
