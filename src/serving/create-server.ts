/** The edge as one object: HTTP and WebSocket on one port over an engine. */
import { randomUUID } from "node:crypto";
import type { ListenerConfig, ServerConfig } from "../config/config.ts";
import { NO_LISTENER } from "../config/defaults.ts";
import type { Clock } from "../core/clock.ts";
import { collectGarbage } from "../core/collect-garbage.ts";
import type { Engine } from "../protocol/engine.ts";
import { Access } from "./access.ts";
import { ActiveWork } from "./active-work.ts";
import { ApiKeys, readApiKeys } from "./api-keys.ts";
import { ConnectionLimits } from "./connection-limits.ts";
import { createHttpServer } from "./http-server.ts";
import { KeptStreams } from "./kept-streams.ts";
import { type Plane, planListeners } from "./listeners.ts";
import type { Logger } from "./logger.ts";
import { Metrics } from "./metrics.ts";
import { ModelRegistry } from "./model-registry.ts";
import { OriginPolicy } from "./origin-policy.ts";
import { PeerTable } from "./peer-table.ts";
import { ResponseService } from "./responses/response-service.ts";
import { ResponseSession } from "./responses/response-session.ts";
import { createPlanes } from "./routes/index.ts";
import { RESPONSES_PATH } from "./routes/responses.ts";
import { STREAM_PATH } from "./routes/socket-addresses.ts";
import { toUrl } from "./server-url.ts";
import { createContexts, type SharedContext } from "./serving-context.ts";
import { type StopMode, StopRequest } from "./stop-request.ts";
import { StreamSession } from "./stream-session.ts";
import { readTlsFiles } from "./tls-files.ts";
import { WebSocketEndpoint } from "./websocket.ts";

/** By then nothing refers to a model that was unloaded, and its pages can go back to the system. */
const RECLAIM_AFTER_MS = 1_000;

/** What a server is made of. */
export interface CreateServerOptions {
  /** One model's, or those of several models. The server does not own them. */
  readonly engine: Engine | ModelRegistry;
  readonly config: ServerConfig;
  /** Listeners beside the server's own; none when absent. */
  readonly management?: ListenerConfig;
  readonly metrics?: ListenerConfig;
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

/** Where a server listens. */
export interface ServerAddresses {
  readonly url: string;
  readonly port: number;
  /** Null where the configuration has none. */
  readonly management: string | null;
  readonly metrics: string | null;
}

/** A server; it does not own the engine. */
export interface TroupeServer {
  /**
   * Begins to listen.
   *
   * @returns the addresses as a client on this machine would write them, and the port (chosen by the system for port 0).
   * @throws TroupeError `address_in_use` for a taken port, `invalid_config` for an address that cannot be had.
   */
  listen(): Promise<ServerAddresses>;
  /** Resolves when `GET /stopService` has come; whoever runs the server then closes it and the engine. */
  readonly stopRequested: Promise<StopMode>;
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
  const { management = NO_LISTENER, metrics = NO_LISTENER } = options;
  const plans = planListeners({ server: config, management, metrics });
  const origins = new OriginPolicy(config);
  const access = new Access(readApiKeys(config), new ApiKeys(config.adminKeys), origins);
  const limits = new ConnectionLimits(config);
  const work = new ActiveWork(clock, config.maxRequestsPerClient);
  const windowMs = config.resumeWindowMs;
  const models = engine instanceof ModelRegistry ? engine : new ModelRegistry({ engines: [engine] });
  const shared: SharedContext = {
    models,
    limits: config,
    logsPrompts: options.logsPrompts ?? false,
    eventStreams: new KeptStreams({ clock, windowMs }),
    messageStreams: new KeptStreams({ clock, windowMs }),
    metrics: new Metrics({ models, clock, connections: limits }),
    logger,
    clock,
    work,
    peers: new PeerTable(config.peers),
    version,
    newId: options.newId ?? (() => randomUUID().replaceAll("-", "")),
    unixSeconds: options.unixSeconds ?? (() => Math.floor(Date.now() / 1000)),
  };
  const context = createContexts(shared);
  models.follow({
    added: ({ info }) => logger.info({ model: info.names[0] }, "a model was loaded"),
    removed({ info }) {
      logger.info({ model: info.names[0] }, "a model was unloaded");
      clock.schedule(RECLAIM_AFTER_MS, collectGarbage);
    },
  });
  const responses = new ResponseService(context);
  const sockets = new WebSocketEndpoint(context, access, {
    [STREAM_PATH]: (channel) => new StreamSession(context, config, channel),
    [RESPONSES_PATH]: (channel) => new ResponseSession(context, responses, channel),
  });
  const stop = new StopRequest();
  const routes = createPlanes(context, responses, stop, plans);
  const listeners = plans.map((plan) => {
    const hasClients = plan.planes.includes("service");
    const tls = readTlsFiles(plan.config, plan.section);
    const http = createHttpServer({
      context,
      config: plan.config,
      routes: routes(plan),
      access,
      origins,
      // an operator gets in however many clients there are
      limits: hasClients ? limits : new ConnectionLimits(config),
      tls,
      isUpgrade: (request) => hasClients && sockets.isUpgrade(request),
      onUpgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
    });
    return { ...plan, http, scheme: tls === null ? "http" : "https" };
  });
  let closing: Promise<void> | null = null;
  const close = async (drainMs: number): Promise<void> => {
    await work.close(drainMs);
    await sockets.close();
    await Promise.all(listeners.map(({ http }) => http.close()));
    context.metrics.close();
  };
  return {
    stopRequested: stop.made,
    async listen() {
      const ports: number[] = [];
      try {
        for (const { http } of listeners) ports.push((await http.listen()).port);
      } catch (error) {
        await Promise.all(listeners.map(({ http }) => http.close()));
        throw error;
      }
      const urlOf = (plane: Plane): string | null => {
        const place = listeners.findIndex(({ planes }) => planes.includes(plane));
        const found = listeners[place];
        return found === undefined ? null : toUrl(found.scheme, found.config.host, ports[place]!);
      };
      const [management, metrics] = [urlOf("management"), urlOf("metrics")];
      return { url: urlOf("service")!, port: ports[0]!, management, metrics };
    },
    close({ drainMs = 0 } = {}) {
      closing ??= close(drainMs);
      return closing;
    },
  };
}
