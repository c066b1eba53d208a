import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import type { TroupeConfig } from "../../../src/config/config.ts";
import { mindie } from "../../../src/config/dialects/mindie.ts";
import { loadConfig, parseConfig } from "../../../src/config/load-config.ts";
import { TroupeError } from "../../../src/errors/troupe-error.ts";

type File = Record<string, Record<string, unknown>>;

/** The sample of the MindFormers guide. */
const guide = (): File =>
  JSON.parse(readFileSync(new URL("./mindie-guide.json", import.meta.url), "utf8")) as File;

/** @param folder of the file, below a temporary one */
function load(t: TestContext, file: File, env: Record<string, string> = {}, folder = "."): TroupeConfig {
  const root = mkdtempSync(join(tmpdir(), "troupe-config-"));
  t.after(() => rmSync(root, { recursive: true }));
  const path = join(root, folder, "config.json");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(file));
  return loadConfig({ file: path, env });
}

function changed(
  change: (
    parts: Record<"server" | "backend" | "deploy" | "model" | "schedule", Record<string, unknown>>,
  ) => void,
): File {
  const file = guide();
  const backend = file.BackendConfig as Record<string, Record<string, unknown>>;
  const deploy = backend.ModelDeployConfig!;
  const [model] = deploy.ModelConfig as Record<string, unknown>[];
  change({
    server: file.ServerConfig!,
    backend,
    deploy,
    model: model!,
    schedule: backend.ScheduleConfig!,
  });
  return file;
}

test("the sample of the guide: every key acts or is named", (t) => {
  const { model, engine, tokenizer, server, management, metrics, log, origin } = load(t, guide());
  assert.deepEqual([model.path, model.servedNames], ["/mf_model/qwen2_7b", ["qwen2_7b"]]);
  assert.deepEqual(
    [server.host, server.port, management.host, management.port, metrics.host, metrics.port],
    ["127.0.0.1", 1025, "127.0.0.2", 1026, "127.0.0.2", 1027],
  );
  assert.deepEqual([server.mindieFullText, server.mindiePromptSpace, server.tlsKey], [false, true, null]);
  const { maxModelLen, maxPromptTokens, longPrompts, maxAnswerTokens, maxNumSeqs } = engine;
  assert.deepEqual(
    [maxModelLen, maxPromptTokens, longPrompts, maxAnswerTokens, maxNumSeqs],
    [2560, 2048, "refuse", 512, 200],
  );
  const { phases, maxPrefillSeqs, maxPrefillTokens, prefillDelayMs, prefillCostMs, decodeCostMs } = engine;
  assert.deepEqual(
    [phases, maxPrefillSeqs, maxPrefillTokens, prefillDelayMs, prefillCostMs, decodeCostMs],
    ["prefillFirst", 50, 8192, 5, 150, 50],
  );
  const { maxPreemptions, pageSize, kvCacheMb, tensorParallel, dataParallel, devices } = engine;
  assert.deepEqual(
    [maxPreemptions, pageSize, kvCacheMb, tensorParallel, dataParallel, devices],
    [0, 128, 16_384, 1, 1, ["cpu:0"]],
  );
  assert.equal(maxNumSeqs + engine.maxQueuedRequests, 3000);
  assert.deepEqual([tokenizer.threads, tokenizer.maxQueued, log.level], [8, 3000, "info"]);
  assert.equal(origin.system, "MindIE");
  for (const key of [
    "LogConfig.logPath",
    "ServerConfig.tlsCert",
    "ServerConfig.kmcKsfMaster",
    "ServerConfig.interCommTlsCrl",
    "BackendConfig.interNodeTlsPk",
    "BackendConfig.ModelDeployConfig.ModelConfig.0.npuMemSize",
  ])
    assert.ok(origin.noEffect.includes(key), key);
  assert.equal(new Set(origin.noEffect).size, origin.noEffect.length);
});

test("batching follows templateType and supportSelectBatch", (t) => {
  const phases = (templateType: string, supportSelectBatch: boolean): string =>
    load(
      t,
      changed(({ schedule }) => Object.assign(schedule, { templateType, supportSelectBatch })),
    ).engine.phases;
  assert.equal(phases("Standard", true), "leastWaste");
  assert.equal(phases("Standard", false), "prefillFirst");
  assert.equal(phases("Mix", true), "mixed");
});

test("truncation cuts on the right or on the left", (t) => {
  const cut = (truncation: unknown): string =>
    load(
      t,
      changed(({ deploy }) => Object.assign(deploy, { truncation })),
    ).engine.longPrompts;
  assert.deepEqual([false, 0, true, -1, 1].map(cut), [
    "refuse",
    "refuse",
    "keepStart",
    "keepStart",
    "keepEnd",
  ]);
});

test("instances, devices and links", (t) => {
  const file = changed(({ server, backend, model }) => {
    server.maxLinkNum = 10;
    backend.modelInstanceNumber = 2;
    backend.npuDeviceIds = [
      [0, 1],
      [2, 3],
    ];
    model.worldSize = 2;
  });
  const { engine } = load(t, file);
  assert.deepEqual(engine.devices, ["cpu:0", "cpu:1", "cpu:2", "cpu:3"]);
  assert.deepEqual(
    [engine.tensorParallel, engine.dataParallel, engine.maxNumSeqs, engine.maxQueuedRequests],
    [2, 2, 10, 5],
  );
});

test("environment variables win over the addresses of the file", (t) => {
  const env = { MIES_CONTAINER_IP: "10.0.0.5", MIES_CONTAINER_MANAGEMENT_IP: "10.0.0.6" };
  const { server, management, metrics } = load(t, guide(), env);
  assert.deepEqual([server.host, management.host, metrics.host], ["10.0.0.5", "10.0.0.6", "10.0.0.6"]);
  assert.throws(() => load(t, guide(), { MIES_CONTAINER_IP: "0.0.0.0" }), /allowAllZeroIpListening/);
});

test("https is mutual TLS on every listener, from the folder that conf lies in", (t) => {
  const file = changed(({ server }) => Object.assign(server, { httpsEnabled: true }));
  const { server, management, metrics, origin } = load(t, file, {}, "conf");
  assert.match(server.tlsCertificate!, /[/\\]security[/\\]certs[/\\]server\.pem$/);
  assert.doesNotMatch(server.tlsCertificate!, /[/\\]conf[/\\]/);
  assert.match(server.tlsClientCa!, /security[/\\]ca[/\\]ca\.pem$/);
  assert.match(management.tlsKey!, /security[/\\]keys[/\\]management[/\\]server\.key\.pem$/);
  assert.equal(metrics.tlsKey, management.tlsKey);
  for (const { tlsRequireClientCertificate } of [server, management, metrics])
    assert.equal(tlsRequireClientCertificate, true);
  assert.ok(!origin.noEffect.includes("ServerConfig.tlsCert"));
  assert.ok(origin.noEffect.includes("ServerConfig.tlsPkPwd"));
});

test("with one address for clients and operators, the certificates are the clients' ones", (t) => {
  const file = changed(({ server }) =>
    Object.assign(server, {
      httpsEnabled: true,
      managementIpAddress: "127.0.0.1",
      managementPort: 1025,
      metricsPort: 1025,
    }),
  );
  const { server, management, origin } = load(t, file);
  assert.equal(management.tlsCertificate, server.tlsCertificate);
  assert.ok(origin.noEffect.includes("ServerConfig.managementTlsCert"));
  assert.ok(!origin.noEffect.includes("ServerConfig.tlsCert"));
});

test("a mock is the embedded model under the name of the file", (t) => {
  const file = changed(({ model }) => Object.assign(model, { modelInstanceType: "StandardMock" }));
  const { model, engine } = load(t, file);
  assert.match(model.path, /understudy$/);
  assert.deepEqual([model.servedNames, engine.maxModelLen], [["qwen2_7b"], null]);
});

const WRONG: readonly (readonly [string, Parameters<typeof changed>[0], RegExp])[] = [
  ["an unknown key", ({ schedule }) => Object.assign(schedule, { maxBatch: 1 }), /ScheduleConfig.*maxBatch/],
  ["a wrong type", ({ server }) => Object.assign(server, { port: "1025" }), /"ServerConfig\.port"/],
  [
    "a wrong type of an idle key",
    ({ server }) => Object.assign(server, { tlsCert: 5 }),
    /"ServerConfig\.tlsCert"/,
  ],
  ["a low port", ({ server }) => Object.assign(server, { port: 80 }), /"ServerConfig\.port"/],
  ["split nodes", ({ server }) => Object.assign(server, { inferMode: "dmi" }), /inferMode.*not split/],
  ["several nodes", ({ backend }) => Object.assign(backend, { multiNodesInferEnabled: true }), /one process/],
  ["too few links", ({ server }) => Object.assign(server, { maxLinkNum: 0 }), /maxLinkNum/],
  [
    "too short a delay",
    ({ schedule }) => Object.assign(schedule, { maxQueueDelayMicroseconds: 1 }),
    /maxQueueDelay/,
  ],
  [
    "too few prompt tokens",
    ({ schedule }) => Object.assign(schedule, { maxPrefillTokens: 100 }),
    /maxInputTokenLen \(2048\)/,
  ],
  [
    "too many prompts",
    ({ schedule }) => Object.assign(schedule, { maxPrefillBatchSize: 201 }),
    /maxBatchSize \(200\)/,
  ],
  [
    "too long answers",
    ({ schedule }) => Object.assign(schedule, { maxIterTimes: 2561 }),
    /maxSeqLen \(2560\)/,
  ],
  [
    "devices and ranks",
    ({ model }) => Object.assign(model, { worldSize: 2 }),
    /npuDeviceIds\.0.*worldSize is 2/,
  ],
  ["instances", ({ backend }) => Object.assign(backend, { modelInstanceNumber: 2 }), /one for each instance/],
  [
    "another policy",
    ({ schedule }) => Object.assign(schedule, { prefillPolicyType: 1 }),
    /in the order they came/,
  ],
  ["an odd block", ({ schedule }) => Object.assign(schedule, { cacheBlockSize: 48 }), /16, 32, 64 or 128/],
  [
    "several authorities",
    ({ server }) => Object.assign(server, { httpsEnabled: true, tlsCaFile: ["a.pem", "b.pem"] }),
    /into one/,
  ],
  [
    "preemption without memory",
    ({ schedule, model }) => {
      schedule.maxPreemptCount = 1;
      model.cpuMemSize = 0;
    },
    /cpuMemSize/,
  ],
];

for (const [title, change, expected] of WRONG) {
  test(`refused with its path: ${title}`, (t) => {
    assert.throws(() => load(t, changed(change)), { code: "invalid_config", message: expected });
  });
}

/** Every place of a JSON value, as a path. */
function placesOf(value: unknown, at: readonly string[] = []): (readonly string[])[] {
  const inside = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return [at, ...inside.flatMap(([key, part]) => placesOf(part, [...at, key]))].slice(
    at.length === 0 ? 1 : 0,
  );
}

function put(value: unknown, [key, ...rest]: readonly string[], replacement: unknown): unknown {
  if (key === undefined) return replacement;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  copy[key] = put(copy[key], rest, replacement);
  return copy;
}

test("whatever stands in any place is served, or refused by its path", () => {
  const file = guide();
  const places = fc.constantFrom(...placesOf(file));
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.integer(),
    fc.constantFrom(0, 1, -1, true, "", null),
  );
  const source = { shownAs: "config.json", folder: "/conf", env: {} };
  const property = fc.property(places, values, (place, value) => {
    try {
      parseConfig(mindie.translate(put(file, place, value) as File, source).sections);
    } catch (error) {
      assert.ok(error instanceof TroupeError && error.code === "invalid_config", String(error));
    }
  });
  fc.assert(property, { numRuns: 1000 });
});
