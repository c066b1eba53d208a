/**
 * What the edge itself costs: processor time of its thread for each token of a stream, over every protocol. The engine
 * costs next to nothing and is measured alone first; the client runs in another process.
 *
 *     node bench/edge.ts --streams 64 --tokens 500 --json results.json
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { defaultConfig } from "../src/config/defaults.ts";
import { systemClock } from "../src/core/clock.ts";
import { siblingModule } from "../src/core/sibling-module.ts";
import { createSamplingParams } from "../src/sampling/create-sampling-params.ts";
import { createServer } from "../src/serving/create-server.ts";
import { createLogger } from "../src/serving/logger.ts";
import type { ClientTask } from "./edge-client.ts";
import { PushEngine } from "./push-engine.ts";
import { printTable, rounded, writeResults } from "./report.ts";

const NUM_ROUNDS = 5;

type Protocol = Pick<ClientTask, "path" | "isSocket" | "body" | "end"> & { readonly name: string };

interface Cost {
  readonly name: string;
  /** Processor time of the edge's thread, the engine's own taken off. */
  readonly usPerToken: number;
  readonly tokensPerSecond: number;
}

const { values: flags } = parseArgs({
  options: {
    streams: { type: "string", default: "64" },
    tokens: { type: "string", default: "500" },
    only: { type: "string" },
    json: { type: "string" },
  },
});
const [numStreams, numTokens] = [Number(flags.streams), Number(flags.tokens)];
const settings = `${numStreams} streams of ${numTokens} tokens`;

function protocols(): Protocol[] {
  const messages = [{ role: "user", content: "Hello" }];
  const chat = { messages, max_tokens: numTokens, stream: true };
  const completion = { prompt: "Hello", max_tokens: numTokens, stream: true };
  const response = { input: "Hello", max_output_tokens: numTokens, stream: true, store: false };
  const generate = { type: "generate", id: "a", messages, max_tokens: numTokens };
  const resumable = { stream_options: { resumable: true } };
  const sse = { isSocket: false, end: "data: [DONE]" };
  const socket = { isSocket: true, end: '"type":"done"' };
  const final = '"type":"response.incomplete"';
  return [
    { name: "chat, SSE", path: "/v1/chat/completions", body: chat, ...sse },
    { name: "chat, SSE, resumable", path: "/v1/chat/completions", body: { ...chat, ...resumable }, ...sse },
    { name: "completions, SSE", path: "/v1/completions", body: completion, ...sse },
    { name: "responses, SSE", path: "/v1/responses", body: response, isSocket: false, end: final },
    { name: "/v1/stream, WebSocket", path: "/v1/stream", body: generate, ...socket },
    {
      name: "/v1/stream, WebSocket, resumable",
      path: "/v1/stream",
      body: { ...generate, resumable: true },
      ...socket,
    },
    {
      name: "responses, WebSocket",
      path: "/v1/responses",
      body: { type: "response.create", ...response },
      isSocket: true,
      end: final,
    },
  ].filter(({ name }) => flags.only === undefined || name.includes(flags.only));
}

/** Microseconds of this thread for each token of `run`, the calmest of some rounds, and the tokens of a second. */
async function cost(run: () => Promise<unknown>): Promise<Omit<Cost, "name">> {
  await run();
  const rounds: Omit<Cost, "name">[] = [];
  for (let round = 0; round < NUM_ROUNDS; round++) {
    const startedMs = performance.now();
    const before = process.threadCpuUsage();
    await run();
    const { user, system } = process.threadCpuUsage(before);
    const all = numStreams * numTokens;
    const tokensPerSecond = Math.round((all / (performance.now() - startedMs)) * 1000);
    rounds.push({ usPerToken: (user + system) / all, tokensPerSecond });
  }
  return rounds.toSorted((a, b) => a.usPerToken - b.usPerToken)[Math.floor(NUM_ROUNDS / 2)]!;
}

const engine = new PushEngine();
const logger = createLogger({ level: "silent", format: "json" });
const config = { ...defaultConfig().server, port: 0 };
const server = createServer({ engine, config, logger, version: "bench", clock: systemClock });
const { port } = await server.listen();
const client = fork(siblingModule(import.meta.url, "./edge-client"), { execArgv: [] });

const params = createSamplingParams({ maxTokens: numTokens });
const readAlone = async (): Promise<void> => {
  for await (const _event of engine.generate({ prompt: { kind: "text", text: "" }, params }));
};
const alone = await cost(() => Promise.all(Array.from({ length: numStreams }, readAlone)));
const costs: Cost[] = [];
for (const { name, ...task } of protocols()) {
  const measured = await cost(async () => {
    client.send({ ...task, port, numStreams } satisfies ClientTask);
    await once(client, "message");
  });
  costs.push({ ...measured, name, usPerToken: measured.usPerToken - alone.usPerToken });
}
client.disconnect();
await server.close();

printTable(
  `${settings}; the engine alone, ${alone.usPerToken.toFixed(2)} us a token, is taken off`,
  costs.map(({ name, usPerToken, tokensPerSecond }) => ({
    protocol: name,
    "edge, us a token": rounded(usPerToken),
    "tokens/s": tokensPerSecond,
  })),
);
if (flags.json !== undefined) writeResults(flags.json, "edge", { [settings]: { alone, costs } });
