/** MindIE's config.json, as its service reads it: addresses, certificates, one model and how its requests are batched. */
import { basename, dirname, join } from "node:path";
import { parse } from "../../core/schema.ts";
import type { ListenerConfig, TlsConfig } from "../config.ts";
import { embeddedModelPath } from "../embedded-model.ts";
import type { PartialConfig } from "../load-config.ts";
import type { ConfigDialect, DialectSource, FileSections } from "./config-dialect.ts";
import { invalidKey } from "./dialect-errors.ts";
import { IDLE_KEYS, type MindieFile, mindieSchema, TLS_KEYS } from "./mindie-keys.ts";

type ServerKeys = MindieFile["ServerConfig"];

const MIB = 1024 * 1024;
/** The most that Troupe's own keys allow. */
const MAX_STEP_TOKENS = 65_536;
const MAX_SEQS = 4096;

const LEVELS = {
  Verbose: "debug",
  Debug: "debug",
  Info: "info",
  Warning: "warn",
  Error: "error",
  None: "silent",
} as const;

/** @see ConfigDialect */
export const mindie: ConfigDialect = {
  name: "MindIE",
  recognises: (file) => "ServerConfig" in file || "BackendConfig" in file,
  translate(value, source) {
    const file = parse(mindieSchema(), value, { code: "invalid_config", what: source.shownAs });
    checkTogether(file, source);
    const { management, metrics, ...server } = toListeners(file.ServerConfig, source);
    const { logLevel } = file.LogConfig ?? {};
    const sections: PartialConfig = {
      model: toModel(file),
      engine: toEngine(file),
      tokenizer: {
        threads: file.BackendConfig.tokenizerProcessNumber,
        maxQueued: maxRequests(file),
      },
      server,
      management,
      metrics,
      ...(logLevel !== undefined && { log: { level: LEVELS[logLevel] } }),
    };
    return { sections, noEffect: idleKeys(value, server, management, metrics) };
  },
};

/** A mock needs no model of its own: the embedded one answers under its name. */
function toModel({ BackendConfig }: MindieFile): NonNullable<PartialConfig["model"]> {
  const { modelName, modelWeightPath, modelInstanceType } = BackendConfig.ModelDeployConfig.ModelConfig[0]!;
  const isMock = modelInstanceType === "StandardMock";
  return { path: isMock ? embeddedModelPath() : modelWeightPath, servedNames: [modelName] };
}

function toEngine(file: MindieFile): NonNullable<PartialConfig["engine"]> {
  const { ServerConfig, BackendConfig } = file;
  const { ModelDeployConfig: deploy, ScheduleConfig: schedule, modelInstanceNumber } = BackendConfig;
  const { modelInstanceType, worldSize, cpuMemSize } = deploy.ModelConfig[0]!;
  const maxNumSeqs = Math.min(schedule.maxBatchSize, ServerConfig.maxLinkNum, MAX_SEQS);
  const maxPrefillTokens = Math.min(schedule.maxPrefillTokens, MAX_STEP_TOKENS);
  const { tokenTimeout } = ServerConfig;
  return {
    // the embedded model has a context of its own
    ...(modelInstanceType === "Standard" && { maxModelLen: deploy.maxSeqLen }),
    maxPromptTokens: Math.min(deploy.maxInputTokenLen, deploy.maxSeqLen - 1),
    longPrompts: toLongPrompts(deploy.truncation),
    maxAnswerTokens: schedule.maxIterTimes,
    maxNumSeqs,
    maxNumBatchedTokens: Math.max(maxPrefillTokens, maxNumSeqs),
    maxQueuedRequests: Math.max(0, Math.ceil(maxRequests(file) / modelInstanceNumber) - maxNumSeqs),
    pageSize: schedule.cacheBlockSize,
    ...(cpuMemSize > 0 && { kvCacheMb: cpuMemSize * 1024 }),
    phases:
      schedule.templateType === "Mix" ? "mixed" : schedule.supportSelectBatch ? "leastWaste" : "prefillFirst",
    maxPrefillSeqs: Math.min(schedule.maxPrefillBatchSize || maxNumSeqs, maxNumSeqs),
    maxPrefillTokens,
    prefillDelayMs: schedule.maxQueueDelayMicroseconds / 1000,
    prefillCostMs: schedule.prefillTimeMsPerReq,
    decodeCostMs: schedule.decodeTimeMsPerReq,
    maxPreemptions: Math.min(schedule.maxPreemptCount, MAX_SEQS),
    tensorParallel: worldSize,
    dataParallel: modelInstanceNumber,
    devices: BackendConfig.npuDeviceIds
      .slice(0, modelInstanceNumber)
      .flatMap((ids) => ids.map((id) => `cpu:${id}`)),
    ...(tokenTimeout !== undefined && { stepTimeoutMs: tokenTimeout * 1000 }),
  };
}

/** `maxLinkNum` requests run, and twice as many wait. */
function maxRequests({ ServerConfig }: MindieFile): number {
  return 3 * ServerConfig.maxLinkNum;
}

/** Cut on the right keeps the start, on the left the end. */
function toLongPrompts(truncation: boolean | number): "refuse" | "keepStart" | "keepEnd" {
  if (truncation === 1) return "keepEnd";
  return truncation === true || truncation === -1 ? "keepStart" : "refuse";
}

interface Listeners extends NonNullable<PartialConfig["server"]> {
  readonly management: ListenerConfig;
  readonly metrics: ListenerConfig;
}

function toListeners(keys: ServerKeys, source: DialectSource): Listeners {
  const host = source.env.MIES_CONTAINER_IP ?? keys.ipAddress;
  const managementHost = source.env.MIES_CONTAINER_MANAGEMENT_IP ?? keys.managementIpAddress ?? host;
  for (const [key, address] of [
    ["ipAddress", host],
    ["managementIpAddress", managementHost],
  ] as const)
    if (isAllZero(address) && !keys.allowAllZeroIpListening)
      throw invalidKey(
        source,
        `ServerConfig.${key}`,
        `is ${address}, every network interface; set allowAllZeroIpListening to true if that is meant`,
      );
  const service = toTls("", keys, source);
  const hasOwnHost = managementHost !== host;
  const management = hasOwnHost ? toTls("management", keys, source) : service;
  const hasOwn = hasOwnHost && keys.metricsTlsCert !== undefined;
  return {
    host,
    port: keys.port,
    ...service,
    maxConnections: Math.max(10_000, 4 * keys.maxLinkNum),
    ...(keys.maxRequestLength !== undefined && { maxBodyBytes: keys.maxRequestLength * MIB }),
    mindieFullText: keys.fullTextEnabled,
    mindiePromptSpace: true,
    management: { host: managementHost, port: keys.managementPort, ...management },
    metrics: {
      host: managementHost,
      port: keys.metricsPort,
      // with one address they are one listener
      ...(hasOwn && keys.metricsPort !== keys.managementPort ? toTls("metrics", keys, source) : management),
    },
  };
}

const NO_TLS: TlsConfig = {
  tlsCertificate: null,
  tlsKey: null,
  tlsClientCa: null,
  tlsRequireClientCertificate: false,
};

/** Mutual TLS with the files of one plane, which lie in the folder that its `conf` lies in. */
function toTls(plane: "" | "management" | "metrics", keys: ServerKeys, source: DialectSource): TlsConfig {
  if (!keys.httpsEnabled) return NO_TLS;
  const name = <Key extends "tlsCert" | "tlsPk" | "tlsCaFile">(key: Key): keyof typeof TLS_KEYS =>
    (plane === "" ? key : `${plane}T${key.slice(1)}`) as keyof typeof TLS_KEYS;
  const require = (key: keyof typeof TLS_KEYS): string | readonly string[] => {
    const value = keys[key];
    if (value !== undefined) return value;
    throw invalidKey(source, `ServerConfig.${key}`, "is missing, and httpsEnabled is true");
  };
  const root = basename(source.folder) === "conf" ? dirname(source.folder) : source.folder;
  const cas = require(name("tlsCaFile"));
  if (cas.length > 1)
    throw invalidKey(
      source,
      `ServerConfig.${name("tlsCaFile")}`,
      `names ${cas.length} files; put the certificates of all authorities into one`,
    );
  return {
    tlsCertificate: join(root, require(name("tlsCert")) as string),
    tlsKey: join(root, require(name("tlsPk")) as string),
    tlsClientCa: join(root, keys.tlsCaPath ?? "", cas[0]!),
    tlsRequireClientCertificate: true,
  };
}

function checkTogether({ BackendConfig }: MindieFile, source: DialectSource): void {
  const { ModelDeployConfig: deploy, ScheduleConfig: schedule, ...backend } = BackendConfig;
  const { worldSize, cpuMemSize } = deploy.ModelConfig[0]!;
  const refuse = (isWrong: boolean, key: string, what: string): void => {
    if (isWrong) throw invalidKey(source, `BackendConfig.${key}`, what);
  };
  const { maxBatchSize } = schedule;
  const instances = backend.npuDeviceIds;
  refuse(
    instances.length < backend.modelInstanceNumber,
    "npuDeviceIds",
    `has ${instances.length} lists, but modelInstanceNumber is ${backend.modelInstanceNumber}; there must be one for each instance`,
  );
  const odd = instances.findIndex((ids) => ids.length !== worldSize);
  refuse(
    odd >= 0,
    `npuDeviceIds.${odd}`,
    `has ${instances[odd]?.length} devices, but worldSize is ${worldSize}`,
  );
  refuse(
    schedule.maxPrefillTokens < deploy.maxInputTokenLen,
    "ScheduleConfig.maxPrefillTokens",
    `is ${schedule.maxPrefillTokens}; it must be at least maxInputTokenLen (${deploy.maxInputTokenLen})`,
  );
  for (const key of ["maxPrefillBatchSize", "maxPreemptCount"] as const)
    refuse(
      schedule[key] > maxBatchSize,
      `ScheduleConfig.${key}`,
      `is ${schedule[key]}; it must be at most maxBatchSize (${maxBatchSize})`,
    );
  refuse(
    schedule.maxIterTimes > deploy.maxSeqLen,
    "ScheduleConfig.maxIterTimes",
    `is ${schedule.maxIterTimes}; it must be at most maxSeqLen (${deploy.maxSeqLen})`,
  );
  refuse(
    schedule.maxPreemptCount > 0 && cpuMemSize === 0,
    "ModelDeployConfig.ModelConfig.0.cpuMemSize",
    "is 0; it must be above 0 when maxPreemptCount is",
  );
}

/** Dotted paths of keys that the file sets and that do nothing: those of certificates that no listener uses among them. */
function idleKeys(
  file: FileSections,
  server: HasKey,
  management: HasKey,
  metrics: HasKey,
): readonly string[] {
  const isUsed = (key: string): boolean => {
    if (key.startsWith("management")) return isApart(management, server);
    if (key.startsWith("metrics")) return isApart(metrics, management);
    return server.tlsKey !== null;
  };
  const unused = Object.entries(TLS_KEYS).filter(([key]) => !isUsed(key));
  const idle: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    ...IDLE_KEYS,
    ServerConfig: { ...IDLE_KEYS.ServerConfig, ...Object.fromEntries(unused) },
  };
  return Object.entries(idle).flatMap(([section, keys]) => {
    const given = section.split(".").reduce<unknown>(stepInto, file);
    const present = typeof given === "object" && given !== null ? Object.keys(given) : [];
    return present.filter((key) => key in keys).map((key) => (section === "" ? key : `${section}.${key}`));
  });
}

/** What tells one listener's certificates from another's. */
interface HasKey {
  readonly tlsKey?: string | null | undefined;
}

function isApart(own: HasKey, other: HasKey): boolean {
  return own.tlsKey !== null && own.tlsKey !== other.tlsKey;
}

function stepInto(value: unknown, key: string): unknown {
  return key === "" ? value : (value as Readonly<Record<string, unknown>> | undefined)?.[key];
}

function isAllZero(address: string): boolean {
  return address === "0.0.0.0" || /^[0:]+$/.test(address);
}
