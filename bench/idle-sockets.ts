/**
 * What open WebSockets cost that have nothing to do: memory of the server's process with and without them.
 *
 *     node bench/idle-sockets.ts --sockets 2000
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { startServerProcess } from "../test/examples/server-process.ts";
import { scrape } from "./scrape.ts";

const AT_ONCE = 100;
/** Time for the server to come to rest. */
const REST_MS = 3000;

const { values: flags } = parseArgs({
  options: { sockets: { type: "string", default: "2000" }, path: { type: "string", default: "/v1/stream" } },
});

await using server = await startServerProcess();
const memoryMb = async (): Promise<number> => {
  await sleep(REST_MS);
  return (await scrape(server.url))("process_resident_memory_bytes") / 1e6;
};

/** The process as it is after some work: what its first requests take is not the sockets' doing. */
async function warmUp(): Promise<void> {
  const body = JSON.stringify({ prompt: "Once upon a time", max_tokens: 200, ignore_eos: true });
  const headers = { "content-type": "application/json" };
  for (let round = 0; round < 5; round++)
    await (await fetch(`${server.url}/v1/completions`, { method: "POST", headers, body })).text();
}

const sockets: WebSocket[] = [];
async function open(num: number): Promise<void> {
  for (let left = num; left > 0; left -= AT_ONCE) {
    const some = Array.from(
      { length: Math.min(AT_ONCE, left) },
      () => new WebSocket(`${server.url.replace("http", "ws")}${flags.path}`),
    );
    await Promise.all(some.map((socket) => once(socket, "open")));
    sockets.push(...some);
  }
}

await warmUp();
const before = await memoryMb();
await open(Number(flags.sockets));
const after = await memoryMb();
const numOpen = (await scrape(server.url))("troupe:websocket_connections");
console.log(`${numOpen} sockets open on ${flags.path}`);
console.log(`the server's memory: ${before.toFixed(0)} MB before, ${after.toFixed(0)} MB with them`);
console.log(`${(((after - before) * 1000) / numOpen).toFixed(1)} kB for each`);
for (const socket of sockets) socket.terminate();
