/** The edge as one object: HTTP and WebSocket on one port over an engine. */
import { randomUUID } from "node:crypto";
import type { ServerConfig } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Engine } from "../protocol/engine.ts";
import { Access } from "./access.ts";
import { ActiveWork } from "./active-work.ts";
import { readApiKeys } from "./api-keys.ts";
import { ConnectionLimits } from "./connection-limits.ts";
import { createHttpServer } from "./http-server.ts";
import { KeptStreams } from "./kept-streams.ts";
import type { Logger } from "./logger.ts";
import { Metrics } from "./metrics.ts";
import { OriginPolicy } from "./origin-policy.ts";
import { ResponseService } from "./responses/response-service.ts";
import { ResponseSession } from "./responses/response-session.ts";
import { createRoutes } from "./routes/index.ts";
import { RESPONSES_PATH } from "./routes/responses.ts";
import { STREAM_PATH } from "./routes/socket-addresses.ts";
import type { ServingContext } from "./serving-context.ts";
import { StreamSession } from "./stream-session.ts";
import { readTlsFiles } from "./tls-files.ts";
import { WebSocketEndpoint } from "./websocket.ts";

/** What a server is made of. */
export interface CreateServerOptions {
  readonly engine: Engine;
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** Shown by `GET /version`. */
  readonly version: string;
  readonly clock: Clock;
  /** Whether prompts are written to the log; default false. */
  readonly logsPrompts?: boolean;
  /** Unique names for requests; random by default. */
  readonly newId?: () => string;
  /** Wall-clock time for `created`. */
  readonly unixSeconds?: () => number;
}

/** A server; it does not own the engine. */
export interface TroupeServer {
  /**
   * Begins to listen.
   *
   * @returns the address as a client on this machine would write it, and the port (chosen by the system for port 0).
   * @throws TroupeError `address_in_use` for a taken port, `invalid_config` for an address that cannot be had.
   */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /**
   * Stops: new requests get 503, those in flight may end until `drainMs` have passed, the rest is cut with an error;
   * then every connection is closed. A second call waits for the first.
   */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/**
 * @throws TroupeError `file_error` or `invalid_config` when a file of keys or certificates cannot be used.
 * @example
 * ```ts
 * const server = createServer({ engine, config, logger, version: "0.1.0", clock: systemClock });
 * const { url } = await server.listen();
 * // ...
 * await server.close({ drainMs: 30_000 });
 * ```
 */
export function createServer(options: CreateServerOptions): TroupeServer {
  const { engine, config, logger, version, clock } = options;
  const tls = readTlsFiles(config);
  const origins = new OriginPolicy(config);
  const access = new Access(readApiKeys(config), origins);
  const limits = new ConnectionLimits(config);
  const work = new ActiveWork(clock, config.maxRequestsPerClient);
  const windowMs = config.resumeWindowMs;
  const context: ServingContext = {
    engine,
    limits: config,
    logsPrompts: options.logsPrompts ?? false,
    eventStreams: new KeptStreams({ clock, windowMs }),
    messageStreams: new KeptStreams({ clock, windowMs }),
    metrics: new Metrics({ engine, clock, connections: limits }),
    logger,
    clock,
    work,
    version,
    newId: options.newId ?? (() => randomUUID().replaceAll("-", "")),
    unixSeconds: options.unixSeconds ?? (() => Math.floor(Date.now() / 1000)),
  };
  const responses = new ResponseService(context);
  const sockets = new WebSocketEndpoint(context, access, {
    [STREAM_PATH]: (channel) => new StreamSession(context, config, channel),
    [RESPONSES_PATH]: (channel) => new ResponseSession(context, responses, channel),
  });
  const http = createHttpServer({
    context,
    config,
    routes: createRoutes(context, responses),
    access,
    origins,
    limits,
    tls,
    isUpgrade: (request) => sockets.isUpgrade(request),
    onUpgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
  });
  let closing: Promise<void> | null = null;
  const close = async (drainMs: number): Promise<void> => {
    await work.close(drainMs);
    await sockets.close();
    await http.close();
    context.metrics.close();
  };
  return {
    async listen() {
      const { port } = await http.listen();
      return { url: `${tls === null ? "http" : "https"}://${toUrlHost(config.host)}:${port}`, port };
    },
    close({ drainMs = 0 } = {}) {
      closing ??= close(drainMs);
      return closing;
    },
  };
}

/** A host that can be connected to: "all interfaces" becomes this machine. */
function toUrlHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
