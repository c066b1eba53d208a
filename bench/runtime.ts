/**
 * What the actor runtime costs: `node bench/runtime.ts`, some ten seconds. An ask is compared with a bare postMessage
 * round trip and with comlink on the same machine in the same minute. Prints tables, or JSON with `--json`.
 */
import { arch, cpus } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { siblingModule } from "../src/core/sibling-module.ts";
import { createActorSystem } from "../src/hosts/create-actor-system.ts";
import type { ActorSystem } from "../src/runtime/actor-system.ts";
import type { ActorRef } from "../src/runtime/actor-types.ts";
import { type Baseline, comlinkBaseline, rawBaseline } from "./baselines.ts";
import type { EchoProtocol } from "./echo-actor.ts";
import { callsPerSecond, type TimesRow, timesRow, timesUs } from "./times.ts";

const NUM_WARM_UP = 1000;
const NUM_ROUNDS = 4000;
const NUM_PIPELINED = 40_000;
const DEPTH = 64;
const MODULE = siblingModule(import.meta.url, "./echo-actor");

type Echo = ActorRef<EchoProtocol>;
type Throughput = Readonly<Record<string, number>>;

function spawn(system: ActorSystem, host: string): Promise<Echo> {
  return system.spawn<EchoProtocol>(MODULE, { host, args: null, mailbox: { maxMessages: 1 << 20 } });
}

const plan = {
  step: 1,
  sequences: Array.from({ length: 8 }, (_, slot) => ({ slot, token: slot, pages: [1, 2, 3] })),
};

async function roundTrips(
  raw: Baseline,
  comlink: Baseline,
  ask: (message: unknown) => Promise<unknown>,
): Promise<TimesRow[]> {
  const rows: TimesRow[] = [];
  for (const [name, message] of [
    ["a number", 1],
    ["a plan of 8 sequences", plan],
  ] as const) {
    for (const [what, once] of [
      ["bare postMessage", raw.echo],
      ["ask, thread", ask],
      ["comlink", comlink.echo],
    ] as const) {
      await timesUs(NUM_WARM_UP, () => once(message));
      rows.push(timesRow(`${what}, ${name}`, await timesUs(NUM_ROUNDS, () => once(message))));
    }
  }
  return rows;
}

async function streamRates(system: ActorSystem, thread: Echo): Promise<Throughput> {
  const rates: Record<string, number> = {};
  for (const window of [1, 16, 256]) {
    const numItems = window === 1 ? 5_000 : 50_000;
    const startedMs = performance.now();
    for await (const _ of system.stream(thread, "stream", numItems, { window }));
    rates[`stream items/s, window ${window}`] = Math.round(
      numItems / ((performance.now() - startedMs) / 1000),
    );
  }
  return rates;
}

async function tellRate(system: ActorSystem, to: Echo): Promise<number> {
  const numTells = 200_000;
  const startedMs = performance.now();
  for (let n = 0; n < numTells; n++) system.tell(to, "count", 1);
  await system.ask(to, "total", null);
  return Math.round(numTells / ((performance.now() - startedMs) / 1000));
}

/** How late the timers of an actor are while a million tells come in, as fast as its mailbox takes them. */
async function worstTimerUnderFlood(host: string): Promise<number> {
  const system = createActorSystem();
  // the default mailbox: what waits there is what a turn may have to work off
  const actor = await system.spawn<EchoProtocol>(MODULE, { host, args: null });
  system.tell(actor, "watchTimer", null);
  for (let n = 0; n < 1_000_000; ) {
    if (system.tell(actor, "count", 1)) n++;
    else await nextTurn();
    if (n % 1000 === 0) await nextTurn();
  }
  const worstMs = await system.ask(actor, "worstLateMs", null);
  await system.shutdown();
  return Math.round(worstMs * 10) / 10;
}

/** Time and resident memory of idle actors. */
async function spawnCosts(host: string, num: number): Promise<{ row: TimesRow; idleKib: number }> {
  const system = createActorSystem();
  await spawn(system, host);
  const before = process.memoryUsage().rss;
  const times = await timesUs(num, () => spawn(system, host));
  const idleKib = Math.round((process.memoryUsage().rss - before) / num / 102.4) / 10;
  await system.shutdown();
  return { row: timesRow(`spawn, ${host}`, times), idleKib };
}

async function measure(): Promise<{ times: TimesRow[]; throughput: Throughput; ratios: Throughput }> {
  const system = createActorSystem();
  const [inline, thread, other] = [
    await spawn(system, "inline"),
    await spawn(system, "thread"),
    await spawn(system, "thread"),
  ];
  await using raw = rawBaseline();
  await using comlink = comlinkBaseline();
  const ask = (message: unknown): Promise<unknown> => system.ask(thread, "echo", message);
  const times = await roundTrips(raw, comlink, ask);
  await system.ask(thread, "askOther", { other, num: NUM_WARM_UP });
  times.push(
    timesRow("ask, thread to thread", await system.ask(thread, "askOther", { other, num: NUM_ROUNDS })),
  );
  await timesUs(NUM_WARM_UP, () => system.ask(inline, "echo", 1));
  times.push(timesRow("ask, inline", await timesUs(NUM_ROUNDS, () => system.ask(inline, "echo", 1))));
  const pipelined: Record<string, number> = {};
  for (const [what, once] of [
    ["bare postMessage", () => raw.echo(1)],
    ["ask, thread", () => ask(1)],
    ["comlink", () => comlink.echo(1)],
  ] as const) {
    await callsPerSecond(NUM_WARM_UP, DEPTH, once);
    pipelined[`${what}/s, ${DEPTH} at once`] = await callsPerSecond(NUM_PIPELINED, DEPTH, once);
  }
  const rates = {
    ...pipelined,
    "tells/s, thread": await tellRate(system, thread),
    "tells/s, inline": await tellRate(system, inline),
    ...(await streamRates(system, thread)),
  };
  await system.shutdown();
  const [inlineCosts, threadCosts] = [await spawnCosts("inline", 2000), await spawnCosts("thread", 20)];
  const [rawUs, askUs] = [times[0]!.p50Us, times[1]!.p50Us];
  const [, askRate, comlinkRate] = Object.values(pipelined);
  return {
    times: [...times, inlineCosts.row, threadCosts.row],
    throughput: {
      ...rates,
      "worst timer lateness under a million tells, inline (ms; target: 50)":
        await worstTimerUnderFlood("inline"),
      "worst timer lateness under a million tells, thread (ms; target: 50)":
        await worstTimerUnderFlood("thread"),
      "KiB of an idle actor, inline": inlineCosts.idleKib,
      "KiB of an idle actor, thread": threadCosts.idleKib,
    },
    ratios: {
      "ask / bare postMessage, p50 (target: at most 1.5)": Math.round((askUs / rawUs) * 100) / 100,
      "pipelined asks / comlink's (target: over 1)": Math.round((askRate! / comlinkRate!) * 100) / 100,
    },
  };
}

const result = await measure();
const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${arch()}, Node ${process.version}`;
if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ machine, ...result }, null, 2));
} else {
  console.log(machine);
  console.table(result.times);
  console.table(result.throughput);
  console.table(result.ratios);
}
