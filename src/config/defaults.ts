/**
 * The one home of default values. configs/understudy.yaml says the same with a comment for each key; a test holds
 * the two together.
 */
import type { ConfigOrigin, ListenerConfig, TroupeConfig } from "./config.ts";
import { embeddedModelPath } from "./embedded-model.ts";

const MIB = 1024 * 1024;

/** Of configurations that no other system's file stands behind. */
export const OWN_CONFIGURATION: ConfigOrigin = { system: null, noEffect: [] };

/** Listens nowhere. */
export const NO_LISTENER: ListenerConfig = {
  host: null,
  port: null,
  tlsCertificate: null,
  tlsKey: null,
  tlsClientCa: null,
  tlsRequireClientCertificate: false,
};

/**
 * The configuration when nothing is given: the embedded model on http://127.0.0.1:8000.
 *
 * @example
 * ```ts
 * defaultConfig().server.port; // 8000
 * ```
 */
export function defaultConfig(): TroupeConfig {
  return {
    model: {
      path: embeddedModelPath(),
      servedNames: [],
      precision: null,
      cacheDir: null,
      skipTokenizerInit: false,
      toolParser: "auto",
    },
    graphs: {
      prefill: [],
      decode: [],
      argmax: null,
      topk: null,
      seqLengths: [],
      prefillBatchSizes: [],
      decodeBatchSizes: [],
      actLengths: [],
      padTokenId: 0,
      vocabSize: null,
      eosTokenIds: [],
      inputModule: null,
      basicInputs: "common",
      extraInputs: null,
      warmupInputs: null,
      pastKeys: null,
      pastValues: null,
      presentKeys: null,
      presentValues: null,
    },
    engine: {
      maxModelLen: null,
      maxAnswerTokens: null,
      maxPromptTokens: null,
      longPrompts: "refuse",
      maxNumSeqs: 32,
      maxNumBatchedTokens: 256,
      maxQueuedRequests: 256,
      pageSize: 16,
      numPages: null,
      kvCacheMb: 256,
      kvDtype: "f32",
      prefixCache: true,
      policy: "continuous",
      phases: "mixed",
      maxPrefillSeqs: null,
      maxPrefillTokens: null,
      prefillDelayMs: 0,
      prefillCostMs: 150,
      decodeCostMs: 50,
      maxPreemptions: null,
      maxDraftTokens: 0,
      threads: null,
      tensorParallel: null,
      dataParallel: 1,
      devices: [],
      rankTimeoutMs: 60_000,
      maxRestarts: 5,
      restartWindowMs: 60_000,
      stepTimeoutMs: 120_000,
    },
    tokenizer: { threads: 1, maxQueued: 256 },
    server: {
      host: "127.0.0.1",
      port: 8000,
      tlsCertificate: null,
      tlsKey: null,
      tlsClientCa: null,
      tlsRequireClientCertificate: false,
      apiKeys: [],
      apiKeyFile: null,
      adminKeys: [],
      allowedOrigins: [],
      allowCredentials: false,
      allowRequestTemplates: false,
      maxConnections: 10_000,
      maxConnectionsPerAddress: null,
      maxRequestsPerClient: null,
      headersTimeoutMs: 10_000,
      requestTimeoutMs: 60_000,
      keepAliveTimeoutMs: 65_000,
      sendTimeoutMs: 300_000,
      pingIntervalMs: 30_000,
      socketIdleTimeoutMs: 3_600_000,
      streamKeepAliveMs: 15_000,
      maxBodyBytes: 4 * MIB,
      maxMessageBytes: 4 * MIB,
      maxRequestsPerSocket: 64,
      maxBufferedBytes: MIB / 4,
      resumeWindowMs: 30_000,
      maxStreamEvents: 8192,
      maxStoredResponseBytes: 64 * MIB,
      storedResponseTtlMs: 3_600_000,
      mindsporeReplies: "troupe",
      mindsporePromptForm: null,
      mindiePromptSpace: false,
      mindieFullText: false,
      peers: [],
    },
    management: NO_LISTENER,
    metrics: NO_LISTENER,
    shutdown: { drainMs: 30_000 },
    log: { level: "info", format: "pretty", rankDir: null, prompts: false },
    models: [],
    origin: OWN_CONFIGURATION,
  };
}
