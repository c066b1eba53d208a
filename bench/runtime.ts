/**
 * What a message costs: `node bench/runtime.ts`. Compares an ask with a bare postMessage round trip on the same machine
 * in the same minute; a second or two in all. Prints a table, and JSON with `--json`.
 */
import { arch, cpus } from "node:os";
import { Worker } from "node:worker_threads";
import { siblingModule } from "../src/core/sibling-module.ts";
import { createActorSystem } from "../src/hosts/create-actor-system.ts";
import type { EchoProtocol } from "./echo-actor.ts";

const NUM_WARM_UP = 500;
const NUM_ROUNDS = 3000;

interface Row {
  readonly what: string;
  readonly p50Us: number;
  readonly p99Us: number;
}

async function timesUs(num: number, once: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < num; n++) {
    const startedMs = performance.now();
    await once();
    times.push((performance.now() - startedMs) * 1000);
  }
  return times;
}

function row(what: string, times: readonly number[]): Row {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number): number => Math.round((sorted[Math.floor(part * sorted.length)] ?? 0) * 10) / 10;
  return { what, p50Us: at(0.5), p99Us: at(0.99) };
}

async function rawRoundTrips(message: unknown): Promise<number[]> {
  const worker = new Worker(siblingModule(import.meta.url, "./raw-echo"));
  let answered: (value: unknown) => void = () => undefined;
  worker.on("message", (value) => answered(value));
  const once = (): Promise<unknown> =>
    new Promise((resolve) => {
      answered = resolve;
      worker.postMessage(message);
    });
  await timesUs(NUM_WARM_UP, once);
  const times = await timesUs(NUM_ROUNDS, once);
  await worker.terminate();
  return times;
}

async function measure(): Promise<{ rows: Row[]; tellsPerSecond: number; itemsPerSecond: number }> {
  const system = createActorSystem();
  const module = siblingModule(import.meta.url, "./echo-actor");
  const spawn = (host: string) =>
    system.spawn<EchoProtocol>(module, { host, args: null, mailbox: { maxMessages: 1 << 20 } });
  const [inline, thread, other] = [await spawn("inline"), await spawn("thread"), await spawn("thread")];
  const plan = {
    step: 1,
    sequences: Array.from({ length: 8 }, (_, slot) => ({ slot, token: slot, pages: [1, 2, 3] })),
  };
  const rows: Row[] = [];
  for (const [name, message] of [
    ["a number", 1],
    ["a plan of 8 sequences", plan],
  ] as const) {
    rows.push(row(`bare postMessage round trip, ${name}`, await rawRoundTrips(message)));
    await timesUs(NUM_WARM_UP, () => system.ask(thread, "echo", message));
    rows.push(
      row(`ask, thread, ${name}`, await timesUs(NUM_ROUNDS, () => system.ask(thread, "echo", message))),
    );
  }
  await system.ask(thread, "askOther", { other, num: NUM_WARM_UP });
  rows.push(row("ask, thread to thread", await system.ask(thread, "askOther", { other, num: NUM_ROUNDS })));
  await timesUs(NUM_WARM_UP, () => system.ask(inline, "echo", 1));
  rows.push(row("ask, inline", await timesUs(NUM_ROUNDS, () => system.ask(inline, "echo", 1))));

  const numTells = 200_000;
  let startedMs = performance.now();
  for (let n = 0; n < numTells; n++) system.tell(thread, "count", 1);
  await system.ask(thread, "total", null);
  const tellsPerSecond = Math.round(numTells / ((performance.now() - startedMs) / 1000));
  const numItems = 50_000;
  startedMs = performance.now();
  for await (const _ of system.stream(thread, "stream", numItems, { window: 256 }));
  const itemsPerSecond = Math.round(numItems / ((performance.now() - startedMs) / 1000));
  await system.shutdown();
  return { rows, tellsPerSecond, itemsPerSecond };
}

const result = await measure();
const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${arch()}, Node ${process.version}`;
if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ machine, ...result }, null, 2));
} else {
  console.log(machine);
  console.table(result.rows);
  console.log(
    `tells drained: ${result.tellsPerSecond}/s, stream items (window 256): ${result.itemsPerSecond}/s`,
  );
}
