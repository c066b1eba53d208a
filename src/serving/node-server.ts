/**
 * The server of node:http or node:https under the framework: time-outs, TLS, and a door in front of it that turns
 * connections away before a byte of them is parsed.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import type { ServerConfig } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { toRawResponse } from "./bad-connection.ts";
import type { ConnectionLimits } from "./connection-limits.ts";

/** How long a connection that was turned away may take to read why. */
const REFUSAL_GRACE_MS = 1_000;
/** How much later than its time-out a slow request is cut, at most. */
const MAX_CHECK_INTERVAL_MS = 5_000;

/** What the server is made of. */
export interface NodeServerOptions {
  readonly config: ServerConfig;
  readonly tls: TlsOptions | null;
  readonly limits: ConnectionLimits;
  readonly isUpgrade: (request: IncomingMessage) => boolean;
}

/** @param handler gets every request whose head has arrived. */
export function createNodeServer(handler: RequestListener, options: NodeServerOptions): Server {
  const { config, tls, limits } = options;
  const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = config;
  const http = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(MAX_CHECK_INTERVAL_MS, Math.ceil(headersTimeoutMs / 4)),
    shouldUpgradeCallback: options.isUpgrade,
  };
  const server =
    tls === null
      ? createServer(http, handler)
      : createSecureServer({ ...http, ...tls, handshakeTimeout: headersTimeoutMs }, handler);
  putDoorBefore(server, limits, tls !== null);
  cutStalled(server, limits, config.sendTimeoutMs);
  return server;
}

/**
 * Ends connections whose client takes nothing of what waits for it: its request would hold pages or a place in a queue for
 * ever. A connection is quiet too while its answer is still being made; then nothing waits, and it is left alone.
 */
function cutStalled(server: Server, limits: ConnectionLimits, timeoutMs: number | null): void {
  if (timeoutMs === null) return;
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    // until the answer's end; Node then sets the one between requests
    socket.setTimeout(timeoutMs);
    response.on("timeout", () => {
      if (socket.writableLength === 0) return;
      limits.countStalled();
      socket.destroy();
    });
  });
}

/** Node's own listeners get the connections that the limits let in. */
function putDoorBefore(server: Server, limits: ConnectionLimits, isTls: boolean): void {
  const accept = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "unknown";
    const reason = limits.enter(address);
    if (reason !== null) {
      refuse(socket, reason, isTls);
      return;
    }
    socket.once("close", () => limits.leave(address));
    for (const listener of accept) listener.call(server, socket);
  });
}

/** Over TLS nothing can be said before the handshake, which is the costly part. */
function refuse(socket: Socket, reason: string, isTls: boolean): void {
  socket.on("error", () => socket.destroy());
  if (isTls) {
    socket.destroy();
    return;
  }
  socket.setTimeout(REFUSAL_GRACE_MS, () => socket.destroy());
  socket.end(toRawResponse(new TroupeError("rate_limited", `${reason} Close some, or retry later.`)));
  // Unread bytes would turn the end into a reset, and the answer would be lost.
  socket.resume();
}
