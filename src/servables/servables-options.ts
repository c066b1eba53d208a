/** What servables are started with, checked; what is absent has its default. */
import { parseDevice } from "../config/device.ts";
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/** MindSpore Serving's limits of a message. */
const messageMb = z.int().min(1).max(512).default(100);

const tls = z.strictObject({
  certificate: z.string().min(1),
  privateKey: z.string().min(1),
  customCa: z.string().min(1).optional(),
  verifyClient: z.boolean().default(false),
});

const device = z
  .string()
  .refine((text) => parseDevice(text) !== null, "must be cpu:K, cuda:K, webgpu:K, dml:K or coreml");

const servable = z.strictObject({
  module: z.union([z.string().min(1), z.instanceof(URL)]),
  version: z.int().min(0).default(0),
  devices: z.array(device).min(1).default(["cpu:0"]),
  numParallelWorkers: z.int().min(0).max(64).default(0),
});

const options = z.strictObject({
  servables: z.array(servable).min(1),
  rest: z
    .union([
      z.null(),
      z.strictObject({
        address: z.string().default("127.0.0.1:1500"),
        maxMsgMbSize: messageMb,
        tls: tls.optional(),
        errorStatus: z.enum(["always-200", "http"]).default("always-200"),
      }),
    ])
    .prefault({}),
  grpc: z
    .union([
      z.null(),
      z.strictObject({
        address: z.string().default("127.0.0.1:5500"),
        maxMsgMbSize: messageMb,
        tls: tls.optional(),
      }),
    ])
    .prefault({}),
  threads: z.int().min(1).max(1024).optional(),
  maxEnqueuedRequests: z.int().min(1).max(1_000_000).default(10_000),
  answerTimeoutMs: z.int().min(1).max(86_400_000).default(120_000),
  maxRestarts: z.int().min(0).max(1000).default(5),
  restartWindowMs: z.int().min(1).default(60_000),
});

/** Everything, with defaults filled in. */
export type CheckedOptions = z.output<typeof options>;

/** One servable of {@link CheckedOptions}. */
export type ServableEntry = CheckedOptions["servables"][number];

/** @throws TroupeError `invalid_config` */
export function checkOptions(value: unknown): CheckedOptions {
  return parse(options, value, { code: "invalid_config", what: "servables" });
}

/** @throws TroupeError `invalid_config` for anything but `host:port` and, where it can be one, `unix:path` */
export function checkGrpcAddress(address: string): void {
  if (!/^unix:.+/.test(address)) splitAddress(address, "gRPC", " or unix:path");
}

/**
 * @param what the server, as the message begins
 * @throws TroupeError `invalid_config`
 * @example
 * ```ts
 * splitAddress("[::1]:1500", "REST"); // { host: "::1", port: 1500 }
 * ```
 */
export function splitAddress(
  address: string,
  what: string,
  others = "",
): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(address) ?? [];
  if (host !== undefined && Number(port) <= 65_535) {
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  }
  const text = `The ${what} address "${address}" must be host:port${others}, as in 127.0.0.1:5500.`;
  throw new TroupeError("invalid_config", text);
}
