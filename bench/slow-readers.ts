/**
 * What clients that never read cost their neighbours: time between the tokens of readers, alone and beside paused streams,
 * over the real server with the embedded model.
 *
 *     node bench/slow-readers.ts --slow 8 --readers 4
 */
import { once } from "node:events";
import { connect } from "node:net";
import { parseArgs } from "node:util";
import { startEngine } from "../actors/engine.ts";
import { parseConfig } from "../src/config/load-config.ts";
import { systemClock } from "../src/core/clock.ts";
import { createServer } from "../src/serving/create-server.ts";
import { createLogger } from "../src/serving/logger.ts";

const READER_TOKENS = 200;
const NUM_ROUNDS = 5;
/** Kilobytes a token, and enough of them that the kernel cannot take all: it takes about 4 MB for a client. */
const SLOW_REQUEST = {
  messages: [{ role: "user", content: "Tell me a long story." }],
  stream: true,
  n: 8,
  max_tokens: 600,
  ignore_eos: true,
  logprobs: true,
  top_logprobs: 20,
};

const { values: flags } = parseArgs({
  options: { slow: { type: "string", default: "4" }, readers: { type: "string", default: "4" } },
});
const [numSlow, numReaders] = [Number(flags.slow), Number(flags.readers)];

const config = parseConfig({ server: { port: 0 }, engine: { maxNumSeqs: 128, maxNumBatchedTokens: 256 } });
const engine = await startEngine(config);
const logger = createLogger({ level: "silent", format: "json" });
const server = createServer({ engine, config: config.server, logger, version: "bench", clock: systemClock });
const { url, port } = await server.listen();

/** Milliseconds between the pieces of one answer. */
async function read(): Promise<number[]> {
  const body = JSON.stringify({
    prompt: "Once upon a time",
    max_tokens: READER_TOKENS,
    ignore_eos: true,
    temperature: 0,
    stream: true,
  });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
  const gaps: number[] = [];
  let lastMs = performance.now();
  for await (const _piece of response.body!) {
    const now = performance.now();
    gaps.push(now - lastMs);
    lastMs = now;
  }
  return gaps.slice(1);
}

async function readers(): Promise<string> {
  const rounds: number[][] = [];
  for (let round = 0; round < NUM_ROUNDS; round++)
    rounds.push(...(await Promise.all(Array.from({ length: numReaders }, read))));
  const gaps = rounds.flat().sort((a, b) => a - b);
  const at = (share: number): string => gaps[Math.floor(gaps.length * share)]!.toFixed(1).padStart(7);
  return `p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  max ${at(0.9999)} ms`;
}

async function openSlow(): Promise<void> {
  const body = JSON.stringify(SLOW_REQUEST);
  const socket = connect(port, "127.0.0.1");
  socket.pause();
  await once(socket, "connect");
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.write(`${head}\r\n\r\n${body}`);
  socket.unref();
}

/** Waits until nobody gets tokens any more: every stream is paused. */
async function untilPaused(): Promise<number> {
  for (let before = -1; ; ) {
    const { generationTokens } = engine.status().counters;
    if (generationTokens === before) return generationTokens;
    before = generationTokens;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

await readers();
console.log(`${numReaders} readers alone             ${await readers()}`);
const buffersBefore = process.memoryUsage().arrayBuffers;
const tokensBefore = engine.status().counters.generationTokens;
for (let i = 0; i < numSlow; i++) await openSlow();
const numMade = (await untilPaused()) - tokensBefore;
console.log(`beside ${numSlow} that never read    ${await readers()}`);
const { numFreePages, numPages } = engine.status();
const heldBytes = process.memoryUsage().arrayBuffers - buffersBefore;
console.log(
  `${numMade} of ${numSlow * SLOW_REQUEST.n * SLOW_REQUEST.max_tokens} tokens were made for them; free pages ${numFreePages} of ${numPages}`,
);
console.log(`buffers of the process grew by ${(heldBytes / 2 ** 20).toFixed(1)} MiB`);
await server.close();
await engine.stop();
