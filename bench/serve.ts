/**
 * What clients get from a server under load: it is started as a user starts it, in a process of its own, and asked over
 * SSE and WebSocket at random moments, whether or not it has answered what came before (an open loop). Afterwards all
 * requests are asked again without streaming: a stream that lost or swapped a token differs.
 *
 *     node bench/serve.ts --connections 1,16,64,256 --rates 2,24,48,96 --seconds 5 --json results.json
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startServerProcess } from "../test/examples/server-process.ts";
import { askWhole, type LoadClient, socketClient, sseClient, type Taken } from "./load-client.ts";
import { type LoadRequest, loadMix } from "./load-mix.ts";
import { percentile, printTable, writeResults } from "./report.ts";
import { scrape } from "./scrape.ts";

/** What makes an answer a good one. */
const GOOD = { firstTokenMs: 2000, p99GapMs: 100 };
/** Requests that are asked again at the same time. */
const NUM_AGAIN = 64;

const { values: flags } = parseArgs({
  options: {
    connections: { type: "string", default: "1,16,64,256" },
    /** Requests a second, for each number of connections. */
    rates: { type: "string", default: "2,24,48,96" },
    seconds: { type: "string", default: "5" },
    protocols: { type: "string", default: "sse,websocket" },
    json: { type: "string" },
  },
});

interface Outcome {
  readonly request: LoadRequest;
  /** Null when it failed. */
  readonly taken: Taken | null;
}

interface Row {
  readonly protocol: string;
  readonly numConnections: number;
  readonly numRequests: number;
  readonly numFailed: number;
  /** That differ from the answer without streaming, or have another number of tokens than asked for. */
  readonly numWrong: number;
  readonly firstTokenMs: Quantiles;
  readonly interTokenMs: Quantiles;
  readonly tokensPerSecond: number;
  readonly goodput: number;
  readonly loopDelayMs: Quantiles;
  readonly prefixHitShare: number;
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

function quantiles(values: readonly number[]): Quantiles {
  return { p50: percentile(values, 0.5), p99: percentile(values, 0.99) };
}

/** Sends every request when it is due. */
async function run(client: LoadClient, requests: readonly LoadRequest[]): Promise<Outcome[]> {
  const startMs = performance.now();
  const outcomes: Promise<Outcome>[] = [];
  for (const request of requests) {
    const earlyMs = request.atMs - (performance.now() - startMs);
    if (earlyMs > 0) await sleep(earlyMs);
    const ended = client.ask(request).then(
      (taken) => ({ request, taken }),
      () => ({ request, taken: null }),
    );
    outcomes.push(ended);
  }
  return await Promise.all(outcomes);
}

async function countWrong(url: string, outcomes: readonly Outcome[]): Promise<number> {
  const answered = outcomes.filter((outcome) => outcome.taken !== null);
  const isShort = ({ request, taken }: Outcome): boolean => taken!.numTokens !== request.numTokens;
  let numDiffering = 0;
  for (let first = 0; first < answered.length; first += NUM_AGAIN) {
    const some = answered.slice(first, first + NUM_AGAIN);
    const differs = some.map(async ({ request, taken }) => (await askWhole(url, request)) !== taken!.text);
    numDiffering += (await Promise.all(differs)).filter(Boolean).length;
  }
  return answered.filter(isShort).length + numDiffering;
}

async function measure(url: string, protocol: string, numConnections: number, rate: number): Promise<Row> {
  const open = protocol === "sse" ? sseClient : socketClient;
  const client = await open(url, numConnections);
  const seconds = Number(flags.seconds);
  // other prompts than before, or the prefix cache would have them all
  const seed = numConnections + (protocol === "sse" ? 0 : 1000);
  const requests = loadMix({ seed, rate, durationMs: seconds * 1000 });
  const before = await scrape(url);
  const startMs = performance.now();
  const outcomes = await run(client, requests);
  const tookSeconds = (performance.now() - startMs) / 1000;
  const after = await scrape(url);
  client.close();
  const taken = outcomes.flatMap((outcome) => outcome.taken ?? []);
  const isGood = ({ firstTokenMs, gapsMs }: Taken): boolean =>
    firstTokenMs < GOOD.firstTokenMs && quantiles(gapsMs).p99 < GOOD.p99GapMs;
  const grown = (name: string): number => after(name) - before(name);
  const lag = (part: string): number => after(`nodejs_eventloop_lag_${part}_seconds`) * 1000;
  return {
    protocol,
    numConnections,
    numRequests: requests.length,
    numFailed: outcomes.length - taken.length,
    numWrong: await countWrong(url, outcomes),
    firstTokenMs: quantiles(taken.map(({ firstTokenMs }) => firstTokenMs)),
    interTokenMs: quantiles(taken.flatMap(({ gapsMs }) => gapsMs)),
    tokensPerSecond: taken.reduce((sum, { numTokens }) => sum + numTokens, 0) / tookSeconds,
    goodput: taken.filter(isGood).length / outcomes.length,
    loopDelayMs: { p50: lag("p50"), p99: lag("p99") },
    prefixHitShare: grown("vllm:prefix_cache_hits_total") / grown("vllm:prefix_cache_queries_total"),
  };
}

function toTableRow(row: Row): Readonly<Record<string, string | number>> {
  const shown = ({ p50, p99 }: Quantiles): string => `${p50.toFixed(1)} / ${p99.toFixed(1)}`;
  return {
    protocol: row.protocol,
    connections: row.numConnections,
    requests: row.numRequests,
    failed: row.numFailed,
    wrong: row.numWrong,
    "first token, ms": shown(row.firstTokenMs),
    "between tokens, ms": shown(row.interTokenMs),
    "tokens/s": Math.round(row.tokensPerSecond),
    "good %": Math.round(row.goodput * 100),
    "loop late, ms": shown(row.loopDelayMs),
    "prefix hits %": Math.round(row.prefixHitShare * 100),
  };
}

await using server = await startServerProcess();
const { url } = server;
const rates = flags.rates.split(",").map(Number);
const rows: Row[] = [];
await measure(url, "websocket", 4, 8);
for (const protocol of flags.protocols.split(","))
  for (const [index, text] of flags.connections.split(",").entries())
    rows.push(await measure(url, protocol, Number(text), rates[index] ?? rates.at(-1)!));

const settings = `${flags.rates} requests/s for ${flags.seconds} s`;
printTable(`${settings}; p50 / p99`, rows.map(toTableRow));
if (flags.json !== undefined) writeResults(flags.json, "serve", { [settings]: { good: GOOD, rows } });
