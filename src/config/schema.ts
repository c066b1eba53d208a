/** Ranges, defaults and cross-checks of every configuration key. What passes here needs no further checks below. */
import { z } from "../core/schema.ts";
import type { KvDtype } from "../kv/forms/kv-form.ts";
import {
  type ConfigSections,
  LONG_PROMPTS,
  type LogConfig,
  type ServerConfig,
  STEP_PHASES,
} from "./config.ts";
import { defaultConfig } from "./defaults.ts";
import { parseDevice } from "./device.ts";
import { checkGraphs, graphsKeys } from "./graphs-keys.ts";
import { checkListeners, checkTls, listenerKeys } from "./listener-keys.ts";
import { PRECISION_NAMES, precisionNames } from "./precision-names.ts";

const kvDtypes = ["f32", "f16", "int8"] as const satisfies readonly KvDtype[];
const levels = [
  "fatal",
  "error",
  "warn",
  "info",
  "debug",
  "trace",
  "silent",
] as const satisfies readonly LogConfig["level"][];

const toolParsers = ["auto", "hermes", "llama3", "mistral", "chatglm3", "none"] as const;

const PAGE_SIZES = [8, 16, 32, 64, 128, 256];
/** A key as it stands in a file of keys or in an Authorization header. */
export const API_KEY = /^[\x21-\x7e]{8,512}$/;
const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;

const wholeNumber = (min: number, max: number) => z.int().min(min).max(max);
const name = z.string().min(1);
const device = z
  .string()
  .refine((text) => parseDevice(text) !== null, "must be cpu:K, cuda:K, webgpu:K, dml:K or coreml");
const apiKey = z.string().regex(API_KEY, "must be 8 to 512 printable characters without spaces");
const origin = z
  .string()
  .refine(isOrigin, 'must be "*", "null" or an origin such as "https://chat.example.com", without a path');

const peer = z.strictObject({
  url: z.string().refine(isServerUrl, "must be an address without a path, such as http://10.0.0.2:8000"),
  model: name,
});

function isServerUrl(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function isOrigin(text: string): boolean {
  return text === "*" || text === "null" || (URL.canParse(text) && new URL(text).origin === text);
}

/** What `model.precision` comes to when it says nothing. */
const UNNAMED = { precision: null, kvDtype: "f32" } as const;

/** Keys with their ranges, each optional: what a file or a program may say. */
export function configKeys() {
  const defaults = defaultConfig();
  const { model, graphs, engine, tokenizer, server, management, metrics, shutdown, log } = defaults;
  return z.strictObject({
    model: z
      .strictObject({
        path: name.default(model.path),
        servedNames: z.array(name).max(64).readonly().default(model.servedNames),
        precision: z.enum(precisionNames).nullable().default(model.precision),
        cacheDir: name.nullable().default(model.cacheDir),
        skipTokenizerInit: z.boolean().default(model.skipTokenizerInit),
        toolParser: z.enum(toolParsers).default(model.toolParser),
      })
      .prefault({}),
    graphs: graphsKeys(graphs).prefault({}),
    engine: z
      .strictObject({
        maxModelLen: wholeNumber(2, 16_777_216).nullable().default(engine.maxModelLen),
        maxAnswerTokens: wholeNumber(1, 16_777_216).nullable().default(engine.maxAnswerTokens),
        maxPromptTokens: wholeNumber(1, 16_777_216).nullable().default(engine.maxPromptTokens),
        longPrompts: z.enum(LONG_PROMPTS).default(engine.longPrompts),
        maxNumSeqs: wholeNumber(1, 4096).default(engine.maxNumSeqs),
        maxNumBatchedTokens: wholeNumber(1, 65_536).default(engine.maxNumBatchedTokens),
        maxQueuedRequests: wholeNumber(0, 1_000_000).default(engine.maxQueuedRequests),
        pageSize: z
          .int()
          .refine(
            (size) => PAGE_SIZES.includes(size),
            `must be a power of two from ${PAGE_SIZES[0]} to ${PAGE_SIZES.at(-1)}`,
          )
          .default(engine.pageSize),
        numPages: wholeNumber(1, 16_777_216).nullable().default(engine.numPages),
        kvCacheMb: wholeNumber(1, 16_777_216).default(engine.kvCacheMb),
        // Null takes what model.precision stands for.
        kvDtype: z.enum(kvDtypes).nullable().default(null),
        prefixCache: z.boolean().default(engine.prefixCache),
        policy: z.enum(["continuous", "static"]).default(engine.policy),
        phases: z.enum(STEP_PHASES).default(engine.phases),
        maxPrefillSeqs: wholeNumber(1, 4096).nullable().default(engine.maxPrefillSeqs),
        maxPrefillTokens: wholeNumber(1, 65_536).nullable().default(engine.maxPrefillTokens),
        prefillDelayMs: z.number().min(0).max(60_000).default(engine.prefillDelayMs),
        prefillCostMs: z.number().min(0).max(60_000).default(engine.prefillCostMs),
        decodeCostMs: z.number().min(0).max(60_000).default(engine.decodeCostMs),
        maxPreemptions: wholeNumber(0, 4096).nullable().default(engine.maxPreemptions),
        maxDraftTokens: wholeNumber(0, 256).default(engine.maxDraftTokens),
        threads: wholeNumber(1, 1024).nullable().default(engine.threads),
        tensorParallel: wholeNumber(1, 64).nullable().default(engine.tensorParallel),
        dataParallel: wholeNumber(1, 64).default(engine.dataParallel),
        devices: z.array(device).max(4096).readonly().default(engine.devices),
        rankTimeoutMs: wholeNumber(100, HOUR_MS).default(engine.rankTimeoutMs),
        maxRestarts: wholeNumber(0, 1000).default(engine.maxRestarts),
        restartWindowMs: wholeNumber(1, 24 * HOUR_MS).default(engine.restartWindowMs),
        stepTimeoutMs: wholeNumber(100, HOUR_MS).default(engine.stepTimeoutMs),
      })
      .prefault({}),
    tokenizer: z
      .strictObject({
        threads: wholeNumber(1, 64).default(tokenizer.threads),
        maxQueued: wholeNumber(1, 1_000_000).default(tokenizer.maxQueued),
      })
      .prefault({}),
    server: z
      .strictObject({
        host: name.default(server.host),
        port: wholeNumber(0, 65_535).default(server.port),
        tlsCertificate: name.nullable().default(server.tlsCertificate),
        tlsKey: name.nullable().default(server.tlsKey),
        tlsClientCa: name.nullable().default(server.tlsClientCa),
        tlsRequireClientCertificate: z.boolean().default(server.tlsRequireClientCertificate),
        apiKeys: z.array(apiKey).max(10_000).readonly().default(server.apiKeys),
        apiKeyFile: name.nullable().default(server.apiKeyFile),
        adminKeys: z.array(apiKey).max(1024).readonly().default(server.adminKeys),
        allowedOrigins: z.array(origin).max(1024).readonly().default(server.allowedOrigins),
        allowCredentials: z.boolean().default(server.allowCredentials),
        allowRequestTemplates: z.boolean().default(server.allowRequestTemplates),
        maxConnections: wholeNumber(1, 1_000_000).default(server.maxConnections),
        maxConnectionsPerAddress: wholeNumber(1, 1_000_000)
          .nullable()
          .default(server.maxConnectionsPerAddress),
        maxRequestsPerClient: wholeNumber(1, 1_000_000).nullable().default(server.maxRequestsPerClient),
        headersTimeoutMs: wholeNumber(100, HOUR_MS).default(server.headersTimeoutMs),
        requestTimeoutMs: wholeNumber(100, HOUR_MS).default(server.requestTimeoutMs),
        keepAliveTimeoutMs: wholeNumber(100, HOUR_MS).default(server.keepAliveTimeoutMs),
        sendTimeoutMs: wholeNumber(100, 24 * HOUR_MS)
          .nullable()
          .default(server.sendTimeoutMs),
        pingIntervalMs: wholeNumber(100, HOUR_MS).default(server.pingIntervalMs),
        socketIdleTimeoutMs: wholeNumber(100, 24 * HOUR_MS)
          .nullable()
          .default(server.socketIdleTimeoutMs),
        streamKeepAliveMs: wholeNumber(100, HOUR_MS).default(server.streamKeepAliveMs),
        maxBodyBytes: wholeNumber(1024, GIB).default(server.maxBodyBytes),
        maxMessageBytes: wholeNumber(1024, GIB).default(server.maxMessageBytes),
        maxRequestsPerSocket: wholeNumber(1, 65_536).default(server.maxRequestsPerSocket),
        maxBufferedBytes: wholeNumber(1024, GIB).default(server.maxBufferedBytes),
        resumeWindowMs: wholeNumber(0, HOUR_MS).default(server.resumeWindowMs),
        maxStreamEvents: wholeNumber(16, 1_048_576).default(server.maxStreamEvents),
        maxStoredResponseBytes: wholeNumber(0, 64 * GIB).default(server.maxStoredResponseBytes),
        storedResponseTtlMs: wholeNumber(0, 30 * 24 * HOUR_MS).default(server.storedResponseTtlMs),
        mindsporeReplies: z.enum(["troupe", "r2.1", "dev"]).default(server.mindsporeReplies),
        mindsporePromptForm: z
          .string()
          .includes("{}", "must have {} where the prompt goes")
          .nullable()
          .default(server.mindsporePromptForm),
        mindiePromptSpace: z.boolean().default(server.mindiePromptSpace),
        mindieFullText: z.boolean().default(server.mindieFullText),
        peers: z.array(peer).max(1024).readonly().default(server.peers),
      })
      .prefault({}),
    management: listenerKeys(management),
    metrics: listenerKeys(metrics),
    shutdown: z
      .strictObject({
        drainMs: wholeNumber(0, HOUR_MS).default(shutdown.drainMs),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z.enum(levels).default(log.level),
        format: z.enum(["pretty", "json"]).default(log.format),
        rankDir: name.nullable().default(log.rankDir),
        prompts: z.boolean().default(log.prompts),
      })
      .prefault({}),
  });
}

/** {@link configKeys}, the checks that need two keys at once, and what a name of `model.precision` stands for. */
export function configSchema(): z.ZodType<ConfigSections> {
  return checkedKeys().transform(({ model, engine, ...sections }) => {
    const { precision, kvDtype } = model.precision === null ? UNNAMED : PRECISION_NAMES[model.precision];
    return {
      ...sections,
      model: { ...model, precision },
      engine: { ...engine, kvDtype: engine.kvDtype ?? kvDtype },
    };
  });
}

function checkedKeys() {
  return configKeys().superRefine((config, context) => {
    const { engine, graphs, model, server } = config;
    const problem = (path: string[], message: string): void => {
      context.addIssue({ code: "custom", path, message });
    };
    if (engine.maxNumBatchedTokens < engine.maxNumSeqs) {
      problem(
        ["engine", "maxNumBatchedTokens"],
        `must be at least engine.maxNumSeqs (${engine.maxNumSeqs}): every running sequence takes one token of a step`,
      );
    }
    if (engine.longPrompts !== "refuse" && engine.maxPromptTokens === null)
      problem(["engine", "longPrompts"], "needs engine.maxPromptTokens: how many tokens are kept");
    if (engine.numPages !== null && engine.maxModelLen !== null) {
      const numTokens = engine.numPages * engine.pageSize;
      if (numTokens < engine.maxModelLen) {
        const needed = Math.ceil(engine.maxModelLen / engine.pageSize);
        problem(
          ["engine", "numPages"],
          `holds ${numTokens} tokens, less than engine.maxModelLen (${engine.maxModelLen}); set at least ${needed}`,
        );
      }
    }
    const { devices, dataParallel } = engine;
    const numRanks =
      dataParallel * (engine.tensorParallel ?? Math.max(1, Math.floor(devices.length / dataParallel)));
    if (devices.length > 0 && devices.length !== numRanks) {
      problem(
        ["engine", "devices"],
        `names ${devices.length}, but engine.tensorParallel times engine.dataParallel makes ${numRanks} ranks; name one device for each`,
      );
    }
    checkGraphs(graphs, problem);
    checkServer(server, problem);
    checkListeners(config, problem);
    const repeated = model.servedNames.find((served, index) => model.servedNames.indexOf(served) !== index);
    if (repeated !== undefined) problem(["model", "servedNames"], `names "${repeated}" twice`);
  });
}

/** What the keys of the server want of each other. */
function checkServer(server: ServerConfig, problem: (path: string[], message: string) => void): void {
  checkTls("server", server, problem);
  if (server.allowCredentials && server.allowedOrigins.includes("*"))
    problem(
      ["server", "allowCredentials"],
      'cannot be true with "*" in server.allowedOrigins; name the origins',
    );
  if (server.headersTimeoutMs > server.requestTimeoutMs)
    problem(
      ["server", "headersTimeoutMs"],
      `must be at most server.requestTimeoutMs (${server.requestTimeoutMs})`,
    );
}
