/** The adapter for ws: WebSockets on the HTTP server's own port, kept alive by pings, closed on request. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { ServerConfig } from "../config/config.ts";
import type { Timer } from "../core/clock.ts";
import { toRawResponse } from "./bad-connection.ts";
import { STREAM_PATH } from "./routes/stream.ts";
import type { ServingContext } from "./serving-context.ts";
import { StreamSession } from "./stream-session.ts";

/** A peer that shows no life for two of these is gone. */
export const PING_INTERVAL_MS = 30_000;
/** How long a peer may take to answer the closing handshake. */
const CLOSE_GRACE_MS = 1_000;
const GOING_AWAY = 1001;

/** All WebSockets of one server. */
export class WebSocketEndpoint {
  readonly #context: ServingContext;
  readonly #config: ServerConfig;
  readonly #server: WebSocketServer;
  /** Sockets, and whether they showed life since the last ping. */
  readonly #isAlive = new Map<WebSocket, boolean>();
  #pingTimer: Timer | null = null;

  constructor(context: ServingContext, config: ServerConfig) {
    this.#context = context;
    this.#config = config;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: config.maxMessageBytes,
      perMessageDeflate: false,
    });
    this.#server.on("wsClientError", (error, socket) => {
      socket.end(toRawResponse(400, `No valid WebSocket handshake: ${error.message}.`, "invalid_request"));
    });
  }

  /** True for requests that {@link upgrade} takes; everything else stays HTTP. */
  isUpgrade(request: IncomingMessage): boolean {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
    return isWebSocket && request.url?.split("?", 1)[0] === STREAM_PATH && !this.#context.work.isClosing;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!this.isUpgrade(request)) {
      socket.end(toRawResponse(404, `Only ${STREAM_PATH} speaks WebSocket.`, "not_found"));
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#open(webSocket));
  }

  /** Says goodbye to every peer; resolves when all sockets are closed. */
  async close(): Promise<void> {
    this.#pingTimer?.cancel();
    const closed = [...this.#isAlive.keys()].map(
      (webSocket) => new Promise<void>((resolve) => webSocket.once("close", () => resolve())),
    );
    for (const webSocket of this.#isAlive.keys()) webSocket.close(GOING_AWAY, "the server is stopping");
    const terminate = (): void => {
      for (const webSocket of this.#isAlive.keys()) webSocket.terminate();
    };
    const timer = this.#context.clock.schedule(CLOSE_GRACE_MS, terminate);
    await Promise.all(closed);
    timer.cancel();
  }

  #open(webSocket: WebSocket): void {
    const { metrics, logger } = this.#context;
    const showLife = (): void => {
      if (this.#isAlive.has(webSocket)) this.#isAlive.set(webSocket, true);
    };
    const session = new StreamSession(this.#context, this.#config, {
      send: (bytes, onFlushed) =>
        webSocket.send(bytes, { binary: false }, () => {
          showLife();
          onFlushed();
        }),
      pauseReading: () => webSocket.pause(),
      resumeReading: () => webSocket.resume(),
    });
    this.#isAlive.set(webSocket, true);
    this.#pingTimer ??= this.#schedulePing();
    metrics.countSocket(1);
    webSocket.on("message", (data, isBinary) => {
      showLife();
      // With the default binaryType, ws hands over one Buffer.
      if (isBinary) session.receiveBinary();
      else session.receive((data as Buffer).toString("utf8"));
    });
    webSocket.on("pong", showLife);
    // A broken frame or an oversized message: ws closes the socket with the fitting code by itself.
    webSocket.on("error", (error) => logger.debug({ reason: error.message }, "WebSocket error"));
    webSocket.once("close", (code) => {
      this.#isAlive.delete(webSocket);
      metrics.countSocket(-1);
      session.close();
      logger.debug({ code }, "WebSocket closed");
    });
  }

  #schedulePing(): Timer {
    return this.#context.clock.schedule(PING_INTERVAL_MS, () => {
      for (const [webSocket, wasAlive] of this.#isAlive) {
        if (!wasAlive) {
          webSocket.terminate();
          continue;
        }
        this.#isAlive.set(webSocket, false);
        webSocket.ping();
      }
      this.#pingTimer = this.#isAlive.size === 0 ? null : this.#schedulePing();
    });
  }
}
