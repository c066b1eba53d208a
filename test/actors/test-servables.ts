/** Servables that run, over the models of test/servables. */
import { connect } from "node:net";
import type { TestContext } from "node:test";
import { type RunningServables, type ServablesOptions, startServables } from "../../actors/servables.ts";
import type { LogRecord } from "../../src/runtime/actor-types.ts";
import { ServableClient, type ServableClientOptions } from "../../src/serving/servables/servable-client.ts";
import { folderOf, openModel, pairModel } from "../servables/test-models.ts";

export interface TestServables {
  readonly running: RunningServables;
  readonly log: LogRecord[];
  /** Posts instances (or a whole body as text) to `/model/PATH`. */
  post(path: string, instances: unknown): Promise<{ readonly status: number; readonly body: string }>;
  client(method: string, options?: ServableClientOptions): ServableClient;
}

/** The module of test/servables/test-servable.ts with models in a folder that goes with the test. */
export function testModule(t: TestContext, query: Readonly<Record<string, string>> = {}): URL {
  const models = folderOf(t, {
    "add.onnx": pairModel("Add"),
    "sub.onnx": pairModel("Sub"),
    "open.onnx": openModel(),
  });
  const url = new URL("../servables/test-servable.ts", import.meta.url);
  for (const [name, value] of Object.entries({ models: models.href, ...query }))
    url.searchParams.set(name, value);
  return url;
}

export async function startTestServables(
  t: TestContext,
  options: Partial<ServablesOptions> = {},
): Promise<TestServables> {
  const log: LogRecord[] = [];
  const running = await startServables({
    servables: [{ module: testModule(t) }],
    threads: 1,
    log: (record) => log.push(record),
    ...options,
    rest: options.rest === null ? null : { address: "127.0.0.1:0", ...options.rest },
    grpc: options.grpc === null ? null : { address: "127.0.0.1:0", ...options.grpc },
  });
  t.after(() => running.stop());
  return {
    running,
    log,
    async post(path, instances) {
      const body = typeof instances === "string" ? instances : JSON.stringify({ instances });
      const response = await fetch(`${running.restUrl}/model/${path}`, { method: "POST", body });
      return { status: response.status, body: await response.text() };
    },
    client(method, clientOptions) {
      const client = new ServableClient(running.grpcAddress!, "test", method, clientOptions);
      t.after(() => client.close());
      return client;
    },
  };
}

/** Hears when the servable's method `hold` waits for `word`, and lets it go on. */
export function holdOn(t: TestContext, word: string): { waiting: Promise<void>; go(): void } {
  const channel = new BroadcastChannel(word);
  t.after(() => channel.close());
  const { promise, resolve } = Promise.withResolvers<void>();
  channel.onmessage = ({ data }) => data === "waiting" && resolve();
  return { waiting: promise, go: () => channel.postMessage("go") };
}

/** A POST whose client goes away when told. */
export function rawPost(url: string, path: string, body: string): { leave(): void } {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  return { leave: () => socket.destroy() };
}

/** Sends bytes and goes away without a word, as soon as they are on their way. */
export async function rawBytes(url: string, bytes: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(Buffer.from(bytes, "latin1"), () => socket.resetAndDestroy());
  await closed;
}
