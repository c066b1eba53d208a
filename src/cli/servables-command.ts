/** `troupe servables`: ONNX models with stages around them, over REST and gRPC, until a signal. */
import { resolve } from "node:path";
import type { RunningServables, ServablesOptions } from "../../actors/servables.ts";
import type { LogConfig } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { type CliContext, EXIT, write } from "./cli-context.ts";
import type { CommandSpec, FlagSpec } from "./command-spec.ts";
import { configFromFlags, devicesOf, plainLogFlags } from "./config-flags.ts";
import type { FlagValues } from "./flag-values.ts";
import { listenForStop } from "./stop-requests.ts";

const OFF = "none";

const listen = (flag: Omit<FlagSpec, "group">): FlagSpec => ({ ...flag, group: "Servers:" });
const worker = (flag: Omit<FlagSpec, "group">): FlagSpec => ({ ...flag, group: "Workers:" });

const FLAGS: readonly FlagSpec[] = [
  listen({
    flags: "--rest <address>",
    kind: "text",
    description: 'host:port for REST; default 127.0.0.1:1500; "none" for no REST',
  }),
  listen({
    flags: "--grpc <address>",
    kind: "text",
    description: 'host:port or unix:path for gRPC; default 127.0.0.1:5500; "none" for no gRPC',
  }),
  listen({
    flags: "--rest-errors <kind>",
    kind: "text",
    choices: ["always-200", "http"],
    description: "the HTTP status of requests that failed; default always-200, as MindSpore Serving has it",
  }),
  listen({
    flags: "--max-msg-mb-size <n>",
    kind: "number",
    description: "longest request in MiB, 1 to 512; default 100",
  }),
  listen({
    flags: "--certificate <file>",
    kind: "text",
    description: "PEM certificate; both servers speak TLS",
  }),
  listen({ flags: "--private-key <file>", kind: "text", description: "PEM key of the certificate" }),
  listen({
    flags: "--custom-ca <file>",
    kind: "text",
    description: "PEM authorities of client certificates, with --verify-client",
  }),
  listen({
    flags: "--verify-client",
    kind: "switch",
    description: "turn clients away that have no certificate of --custom-ca",
  }),
  listen({
    flags: "--max-enqueued-requests <n>",
    kind: "number",
    description: "requests under way; more are refused; default 10000",
  }),
  worker({
    flags: "--servable-version <n>",
    kind: "number",
    description: "numbered folder to take the models from; default 0, the newest",
  }),
  worker({
    flags: "--devices <names>",
    kind: "list",
    description: "a worker of each servable for each, as cpu:0,cuda:1; default cpu:0",
  }),
  worker({
    flags: "--num-parallel-workers <n>",
    kind: "number",
    description: "at least so many workers for each servable; they take the devices in turn",
  }),
  worker({
    flags: "--threads <n>",
    kind: "number",
    description: "threads of each worker's models (default: the workers share the cores)",
  }),
];

export const servablesCommand: CommandSpec = {
  name: "servables",
  summary: "serve ONNX models of any kind over REST and gRPC",
  description:
    "Serves servables as MindSpore Serving does: modules whose default export is defineServable({ ... }), with ONNX\n" +
    "models and the functions around them (docs/servables.md).",
  positional: { name: "<modules...>", description: "a module for each servable" },
  flags: [...FLAGS, ...plainLogFlags],
  examples: [
    {
      line: "troupe servables examples/stripes/stripes-servable.ts",
      does: "REST on 127.0.0.1:1500 and gRPC on 127.0.0.1:5500",
    },
    {
      line: "troupe servables resnet.ts --devices cuda:0,cuda:1 --grpc unix:resnet.sock --rest none",
      does: "a worker on each of two GPUs, over a Unix socket",
    },
  ],
  async run(context, flags, modules) {
    const { log, shutdown } = configFromFlags(context, flags);
    const running = await context.services.startServables(readOptions(context.cwd, flags, modules), log);
    const stop = listenForStop(context);
    try {
      await serveUntilStopped(context, running, log, shutdown.drainMs, stop);
    } finally {
      stop.end();
    }
    return EXIT.ok;
  },
};

async function serveUntilStopped(
  context: CliContext,
  running: RunningServables,
  log: LogConfig,
  drainMs: number,
  stop: ReturnType<typeof listenForStop>,
): Promise<void> {
  await write(context.stdout, announcement(running, log, context.version));
  await stop.first;
  const isForPeople = log.format === "pretty" && log.level !== "silent";
  const stopping = `Stopping: requests under way may take ${drainMs / 1000} s more; Ctrl-C again cuts them now.\n`;
  if (isForPeople) await write(context.stdout, stopping);
  const stopped = running.stop({ drainMs });
  // Its failure, if any, is that of the first.
  stop.second.then(() => running.stop()).catch(() => undefined);
  await stopped;
  if (isForPeople) await write(context.stdout, "Stopped.\n");
}

function readOptions(cwd: string, flags: FlagValues, modules: readonly string[]): ServablesOptions {
  const number = (flag: string, key: string) => {
    const value = flags.number(flag);
    return value === undefined ? {} : { [key]: value };
  };
  const devices = devicesOf(flags);
  const common = { ...number("--max-msg-mb-size", "maxMsgMbSize"), ...tlsOf(flags) };
  const server = (flag: string) => {
    const address = flags.text(flag);
    if (address === OFF) return null;
    return address === undefined ? common : { ...common, address };
  };
  const rest = server("--rest");
  const grpc = server("--grpc");
  if (rest === null && grpc === null) {
    throw new TroupeError("invalid_request", "--rest none and --grpc none leave nobody to ask; keep one.");
  }
  const errorStatus = flags.text("--rest-errors") as "always-200" | "http" | undefined;
  return {
    servables: modules.map((module) => ({
      module: resolve(cwd, module),
      ...number("--servable-version", "version"),
      ...(devices.length > 0 && { devices }),
      ...number("--num-parallel-workers", "numParallelWorkers"),
    })),
    rest: rest === null || errorStatus === undefined ? rest : { ...rest, errorStatus },
    grpc,
    ...number("--threads", "threads"),
    ...number("--max-enqueued-requests", "maxEnqueuedRequests"),
  };
}

function tlsOf(flags: FlagValues): Pick<NonNullable<ServablesOptions["grpc"]>, "tls"> {
  const certificate = flags.text("--certificate");
  const privateKey = flags.text("--private-key");
  const customCa = flags.text("--custom-ca");
  const verifyClient = flags.has("--verify-client");
  if (certificate === undefined && privateKey === undefined && customCa === undefined && !verifyClient)
    return {};
  if (certificate === undefined || privateKey === undefined) {
    throw new TroupeError("invalid_request", "TLS needs both --certificate and --private-key.");
  }
  return { tls: { certificate, privateKey, ...(customCa !== undefined && { customCa }), verifyClient } };
}

function announcement(running: RunningServables, log: LogConfig, version: string): string {
  if (log.level === "silent") return "";
  const { servables, restUrl, grpcAddress } = running;
  if (log.format === "json") {
    const names = servables.map(({ name, version: number, methods }) => ({
      name,
      version: number,
      methods: methods.map((method) => method.name),
    }));
    return `${JSON.stringify({ msg: "serving", rest: restUrl, grpc: grpcAddress, servables: names })}\n`;
  }
  const lines = servables.map(
    ({ name, version: number, batchSize, methods }) =>
      `  ${name}, version ${number}, batches of ${batchSize}: ${methods.map((method) => `${method.name}(${method.inputs.join(", ")})`).join(", ")}`,
  );
  const [first] = servables;
  return `
Troupe ${version} serves

${lines.join("\n")}

  REST        ${restUrl === null ? OFF : `${restUrl}/model/${first?.name}:${first?.methods[0]?.name}`}
  gRPC        ${grpcAddress ?? OFF}

Ctrl-C stops it.
`;
}
