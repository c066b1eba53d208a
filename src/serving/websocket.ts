/** The adapter for ws: WebSockets on the HTTP server's own port, kept alive by pings, closed on request. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Timer } from "../core/clock.ts";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import { type Access, KEY_PROTOCOL_PREFIX } from "./access.ts";
import { toRawResponse } from "./bad-connection.ts";
import { type Caller, toCaller } from "./caller.ts";
import type { ServingContext } from "./serving-context.ts";
import type { OpenSession, SocketSession } from "./socket-session.ts";

/** How long a peer may take to answer the closing handshake. */
const CLOSE_GRACE_MS = 1_000;
const GOING_AWAY = 1001;

/** What is known of an open socket. */
interface Peer {
  readonly session: SocketSession;
  /** Showed life since the last ping. */
  isAlive: boolean;
  /** When something was last sent or received, or still running, pings apart. */
  lastBusyMs: number;
}

/** All WebSockets of one server. */
export class WebSocketEndpoint {
  readonly #context: ServingContext;
  readonly #protocols: Readonly<Record<string, OpenSession>>;
  readonly #server: WebSocketServer;
  readonly #access: Access;
  readonly #peers = new Map<WebSocket, Peer>();
  #pingTimer: Timer | null = null;

  /** @param protocols what is spoken at each path. */
  constructor(context: ServingContext, access: Access, protocols: Readonly<Record<string, OpenSession>>) {
    const { limits } = context;
    this.#context = context;
    this.#access = access;
    this.#protocols = protocols;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: limits.maxMessageBytes,
      perMessageDeflate: false,
      // Browsers close a socket whose server chose none of the protocols offered; a key is not to be sent back.
      handleProtocols: (offered) =>
        [...offered].find((name) => !name.startsWith(KEY_PROTOCOL_PREFIX)) ?? false,
    });
    this.#server.on("wsClientError", (error, socket) => {
      const text = `No valid WebSocket handshake: ${error.message}.`;
      socket.end(toRawResponse(new TroupeError("invalid_request", text)));
    });
  }

  /** True for requests that {@link upgrade} takes; everything else stays HTTP. */
  isUpgrade(request: IncomingMessage): boolean {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
    return isWebSocket && this.#protocolOf(request) !== undefined && !this.#context.work.isClosing;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until ws takes the socket over, nobody else listens for its errors.
    const onError = (): void => void socket.destroy();
    socket.on("error", onError);
    try {
      const openSession = this.#protocolOf(request);
      if (openSession === undefined || !this.isUpgrade(request)) {
        const paths = Object.keys(this.#protocols).join(" and ");
        throw new TroupeError("not_found", `Only ${paths} speak WebSocket.`);
      }
      const client = this.#access.enterSocket({
        headers: request.headers,
        address: request.socket.remoteAddress,
      });
      socket.removeListener("error", onError);
      this.#server.handleUpgrade(request, socket, head, (webSocket) =>
        this.#open(webSocket, toCaller(this.#access, client, request.headers), openSession),
      );
    } catch (thrown) {
      const error = toTroupeError(thrown);
      this.#context.logger.info(
        { code: error.code, peer: request.socket.remoteAddress },
        "WebSocket refused",
      );
      socket.end(toRawResponse(error));
    }
  }

  /** Says goodbye to every peer; resolves when all sockets are closed. */
  async close(): Promise<void> {
    this.#pingTimer?.cancel();
    const closed = [...this.#peers.keys()].map(
      (webSocket) => new Promise<void>((resolve) => webSocket.once("close", () => resolve())),
    );
    for (const webSocket of this.#peers.keys()) webSocket.close(GOING_AWAY, "the server is stopping");
    const terminate = (): void => {
      for (const webSocket of this.#peers.keys()) webSocket.terminate();
    };
    const timer = this.#context.clock.schedule(CLOSE_GRACE_MS, terminate);
    await Promise.all(closed);
    timer.cancel();
  }

  #protocolOf(request: IncomingMessage): OpenSession | undefined {
    const path = request.url?.split("?", 1)[0] ?? "";
    return Object.hasOwn(this.#protocols, path) ? this.#protocols[path] : undefined;
  }

  #open(webSocket: WebSocket, caller: Caller, openSession: OpenSession): void {
    const { metrics, logger, clock } = this.#context;
    const socketId = this.#context.newId();
    const beBusy = (): void => {
      peer.isAlive = true;
      peer.lastBusyMs = clock.now();
    };
    const session = openSession({
      ...caller,
      send: (bytes, onFlushed) =>
        webSocket.send(bytes, { binary: false }, (error) => {
          // A socket that failed takes nothing more; its close follows.
          if (error != null) return;
          beBusy();
          onFlushed();
        }),
      pauseReading: () => webSocket.pause(),
      resumeReading: () => webSocket.resume(),
    });
    const peer: Peer = { session, isAlive: true, lastBusyMs: clock.now() };
    this.#peers.set(webSocket, peer);
    this.#pingTimer ??= this.#schedulePing();
    metrics.countSocket(1);
    webSocket.on("message", (data, isBinary) => {
      beBusy();
      // With the default binaryType, ws hands over one Buffer.
      if (isBinary) session.receiveBinary();
      else session.receive((data as Buffer).toString("utf8"));
    });
    webSocket.on("pong", () => {
      peer.isAlive = true;
    });
    // A broken frame or an oversized message: ws closes the socket with the fitting code by itself.
    webSocket.on("error", (error) => logger.debug({ socketId, reason: error.message }, "WebSocket error"));
    webSocket.once("close", (code) => {
      this.#peers.delete(webSocket);
      metrics.countSocket(-1);
      session.close();
      logger.debug({ socketId, code }, "WebSocket closed");
    });
  }

  #schedulePing(): Timer {
    return this.#context.clock.schedule(this.#context.limits.pingIntervalMs, () => {
      for (const [webSocket, peer] of this.#peers) this.#visit(webSocket, peer);
      this.#pingTimer = this.#peers.size === 0 ? null : this.#schedulePing();
    });
  }

  #visit(webSocket: WebSocket, peer: Peer): void {
    const { socketIdleTimeoutMs } = this.#context.limits;
    if (!peer.isAlive) {
      webSocket.terminate();
      return;
    }
    peer.isAlive = false;
    const now = this.#context.clock.now();
    if (!peer.session.isIdle) peer.lastBusyMs = now;
    if (socketIdleTimeoutMs !== null && now - peer.lastBusyMs >= socketIdleTimeoutMs)
      webSocket.close(GOING_AWAY, `nothing happened for ${socketIdleTimeoutMs / 1000} s`);
    else webSocket.ping();
  }
}
