/**
 * Every key of MindIE's config.json, of release 1.0.RC3 and of later ones, with its range. Those that can do nothing here
 * stand in tables of their own: their types are checked all the same, and who sets one is told.
 */
import { z } from "../../core/schema.ts";

const text = z.string();
const path = z.string().min(1).max(4096);
const paths = z.array(path).min(1).max(3);
const port = z.int().min(1024).max(65_535);
const flag = z.boolean();
const count = z.int().min(0);
const address = z.union([z.ipv4(), z.ipv6()]);
const optional = <Shape extends Readonly<Record<string, z.ZodType>>>(shape: Shape) =>
  Object.fromEntries(Object.entries(shape).map(([key, type]) => [key, type.optional()])) as {
    readonly [Key in keyof Shape]: z.ZodOptional<Shape[Key]>;
  };

/** Links between the nodes of a model that is split over several: here every model is served by one process. */
const NODE_LINKS = {
  interNodeTLSEnabled: flag,
  interNodeTlsCaPath: text,
  interNodeTlsCaFile: text,
  interNodeTlsCaFiles: z.array(text),
  interNodeTlsCert: text,
  interNodeTlsPk: text,
  interNodeTlsPkPwd: text,
  interNodeTlsCrl: text,
  interNodeTlsCrlPath: text,
  interNodeTlsCrlFiles: z.array(text),
  interNodeKmcKsfMaster: text,
  interNodeKmcKsfStandby: text,
};

/** Keys of the Ascend platform, of split nodes, and of its own key store, by section. */
export const IDLE_KEYS = {
  "": { EnableDynamicAdjustTimeoutConfig: flag },
  LogConfig: {
    logFileSize: z.int().min(0).max(500),
    logFileNum: z.int().min(0).max(64),
    logPath: text,
    dynamicLogLevel: text,
    dynamicLogLevelValidHours: z.int().min(1).max(168),
    dynamicLogLevelValidTime: text,
  },
  ServerConfig: {
    tlsPkPwd: text,
    tlsCrl: text,
    tlsCrlPath: text,
    tlsCrlFiles: z.array(text),
    managementTlsPkPwd: text,
    managementTlsCrl: text,
    managementTlsCrlPath: text,
    managementTlsCrlFiles: z.array(text),
    metricsTlsPkPwd: text,
    metricsTlsCrlPath: text,
    metricsTlsCrlFiles: z.array(text),
    kmcKsfMaster: text,
    kmcKsfStandby: text,
    pdInterNodeTLSEnabled: flag,
    pdCommunicationPort: port,
    ...NODE_LINKS,
    interCommTLSEnabled: flag,
    interCommPort: port,
    interCommTlsCaPath: text,
    interCommTlsCaFiles: z.array(text),
    interCommTlsCert: text,
    interCommPk: text,
    interCommPkPwd: text,
    interCommTlsCrl: text,
    interCommTlsCrlPath: text,
    interCommTlsCrlFiles: z.array(text),
    openAiSupport: text,
    e2eTimeout: z.int().min(1).max(65_535),
    distDPServerEnabled: z.literal(false, "must be false: experts are not spread over servers here"),
    HealthCheckConfig: z.record(z.string(), z.unknown()),
    layerwiseDisaggregated: z.literal(false, "must be false: layers are not spread over servers here"),
    layerwiseDisaggregatedRoleType: text,
    layerwiseDisaggregatedMasterIpAddress: text,
    layerwiseDisaggregatedSlaveIpAddress: z.array(text),
    layerwiseDisaggregatedDataPort: count,
    layerwiseDisaggregatedCrtlPort: z.array(count),
  },
  BackendConfig: { multiNodesInferPort: port, ...NODE_LINKS, kvPoolConfig: z.record(z.string(), text) },
  "BackendConfig.ModelDeployConfig.ModelConfig.0": {
    npuMemSize: z.int().min(-1),
    backendType: z.enum(["ms", "atb", "torch"]),
    trustRemoteCode: flag,
    async_scheduler_wait_time: count,
    kv_trans_timeout: z.int(),
    kv_link_timeout: z.int(),
    models: z.record(z.string(), z.unknown()),
    plugin_params: text,
  },
  "BackendConfig.ScheduleConfig": {
    maxFirstTokenWaitTime: z.int().min(0).max(3_600_000),
    maxN: z.int().min(1).max(8192),
  },
} as const;

/** Keys of TLS, ignored when httpsEnabled is false. */
export const TLS_KEYS = {
  tlsCaPath: text,
  tlsCaFile: paths,
  tlsCert: path,
  tlsPk: path,
  managementTlsCaFile: paths,
  managementTlsCert: path,
  managementTlsPk: path,
  metricsTlsCaFile: paths,
  metricsTlsCert: path,
  metricsTlsPk: path,
} as const;

const fcfs = z.literal(0, "must be 0: requests run in the order they came");

/** The file, keys of {@link IDLE_KEYS} included. */
export function mindieSchema() {
  const idle = IDLE_KEYS;
  const model = z.strictObject({
    modelInstanceType: z.enum(["Standard", "StandardMock"]).default("Standard"),
    modelName: z
      .string()
      .regex(/^[A-Za-z0-9](?:[\w.-]{0,254}[A-Za-z0-9])?$/, "must be letters, digits, -, . and _ inside"),
    modelWeightPath: path,
    worldSize: z.int().min(1).max(64),
    cpuMemSize: z.int().min(0).max(16_384),
    ...optional(idle["BackendConfig.ModelDeployConfig.ModelConfig.0"]),
  });
  return z.strictObject({
    Version: z.literal("1.0.0", 'must be "1.0.0"').optional(),
    ...optional(idle[""]),
    LogConfig: z
      .strictObject({
        logLevel: z.enum(["Verbose", "Debug", "Info", "Warning", "Error", "None"]).optional(),
        ...optional(idle.LogConfig),
      })
      .optional(),
    ServerConfig: z.strictObject({
      ipAddress: address,
      managementIpAddress: address.optional(),
      port,
      managementPort: port.default(1026),
      metricsPort: port.default(1027),
      allowAllZeroIpListening: flag.default(false),
      maxLinkNum: z.int().min(1).max(4096),
      httpsEnabled: flag,
      fullTextEnabled: flag.default(false),
      inferMode: z.literal(
        "standard",
        'must be "standard": prefill and decode are not split between nodes here',
      ),
      tokenTimeout: z.int().min(1).max(3600).optional(),
      maxRequestLength: z.int().min(1).max(100).optional(),
      ...optional(TLS_KEYS),
      ...optional(idle.ServerConfig),
    }),
    BackendConfig: z.strictObject({
      backendName: z.string().regex(/^[a-z](?:[a-z_]{0,48}[a-z])?$/, "must be small letters and _ inside"),
      modelInstanceNumber: z.int().min(1).max(10),
      npuDeviceIds: z.array(z.array(z.int().min(0).max(9999)).min(1)).min(1),
      tokenizerProcessNumber: z.int().min(1).max(32),
      multiNodesInferEnabled: z
        .literal(false, "must be false: one process serves a whole model here")
        .optional(),
      ...optional(idle.BackendConfig),
      ModelDeployConfig: z.strictObject({
        maxSeqLen: z.int().min(2).max(16_777_216),
        maxInputTokenLen: z.int().min(1).max(4_194_304),
        truncation: z.union([flag, z.int().min(-1).max(1)], "must be true, false, -1, 0 or 1").default(false),
        ModelConfig: z
          .array(model)
          .length(1, "must have one model; Troupe's own configuration may have more"),
      }),
      ScheduleConfig: z.strictObject({
        templateType: z.enum(["Standard", "Mix"]),
        templateName: z.literal("Standard_LLM", 'must be "Standard_LLM"'),
        cacheBlockSize: z
          .int()
          .refine((size) => [16, 32, 64, 128].includes(size), "must be 16, 32, 64 or 128"),
        maxPrefillBatchSize: z.int().min(0),
        maxPrefillTokens: z.int().min(1).max(4_194_304),
        prefillTimeMsPerReq: z.int().min(0).max(1000),
        prefillPolicyType: fcfs,
        decodeTimeMsPerReq: z.int().min(0).max(1000),
        decodePolicyType: fcfs,
        maxBatchSize: z.int().min(1).max(819_200),
        maxIterTimes: z.int().min(1),
        maxPreemptCount: z.int().min(0),
        supportSelectBatch: flag.default(false),
        maxQueueDelayMicroseconds: z.int().min(500).max(1_000_000),
        ...optional(idle["BackendConfig.ScheduleConfig"]),
      }),
    }),
  });
}

/** A file whose single values are right. */
export type MindieFile = z.infer<ReturnType<typeof mindieSchema>>;
