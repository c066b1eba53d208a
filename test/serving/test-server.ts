/** A listening server over a FakeEngine, and small clients for it. */
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { ListenerConfig, ServerConfig } from "../../src/config/config.ts";
import { defaultConfig, NO_LISTENER } from "../../src/config/defaults.ts";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { createServer, type TroupeServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import type { ModelRegistry } from "../../src/serving/model-registry.ts";
import { FakeEngine } from "./fake-engine.ts";

export const CONFIG: ServerConfig = {
  ...defaultConfig().server,
  host: "127.0.0.1",
  port: 0,
  maxBodyBytes: 256 * 1024,
  maxMessageBytes: 64 * 1024,
  maxRequestsPerSocket: 16,
  maxBufferedBytes: 64 * 1024,
  resumeWindowMs: 10_000,
  maxStreamEvents: 1024,
  maxStoredResponseBytes: 1024 * 1024,
  storedResponseTtlMs: 60_000,
};

export interface TestServer {
  readonly engine: FakeEngine;
  readonly server: TroupeServer;
  readonly url: string;
  readonly port: number;
  /** Of the listeners that were asked for. */
  readonly management: string | null;
  readonly metrics: string | null;
  /** Parsed log lines. */
  readonly log: Record<string, unknown>[];
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
}

export async function startServer(
  t: TestContext,
  options: {
    engine?: FakeEngine;
    /** Instead of one engine: `engine` stays the first thing that a test asks. */
    models?: ModelRegistry;
    config?: Partial<ServerConfig>;
    management?: Partial<ListenerConfig>;
    metrics?: Partial<ListenerConfig>;
    clock?: Clock;
    logsPrompts?: boolean;
  } = {},
): Promise<TestServer> {
  const engine = options.engine ?? new FakeEngine();
  const log: Record<string, unknown>[] = [];
  let numIds = 0;
  const server = createServer({
    engine: options.models ?? engine,
    config: { ...CONFIG, ...options.config },
    management: { ...NO_LISTENER, ...options.management },
    metrics: { ...NO_LISTENER, ...options.metrics },
    logger: createLogger(
      { level: "trace", format: "json" },
      { write: (line) => void log.push(JSON.parse(line) as Record<string, unknown>) },
    ),
    version: "1.2.3",
    clock: options.clock ?? systemClock,
    logsPrompts: options.logsPrompts ?? false,
    newId: () => `id${numIds++}`,
    unixSeconds: () => 1_750_000_000,
  });
  const addresses = await server.listen();
  const { url } = addresses;
  t.after(() => {
    engine.release();
    return server.close();
  });
  const post = (path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
    });
  return { engine, server, ...addresses, log, post };
}

/** A TCP connection that has sent one POST. */
export async function rawPost(port: number, path: string, body: unknown): Promise<Socket> {
  const text = JSON.stringify(body);
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  return socket;
}
