/** The process of one contestant: does what it is asked, one task after the other. */
import { randomPrompt } from "../random-model.ts";
import { Streams, tokensPerSecond } from "../streams.ts";
import type { Answer, Contestant, ContestantModule, ContestantOptions, Task } from "./contestant.ts";

const [modulePath, optionsText] = process.argv.slice(2);
const options = JSON.parse(optionsText!) as ContestantOptions;
const startMs = performance.now();
const { contestant } = (await import(modulePath!)) as { readonly contestant: ContestantModule };
const importMs = performance.now() - startMs;
let loaded: Contestant | null = null;
let salt = 1;

/** Prompts that begin alike nowhere: nobody shall find one in a cache. */
function prompts(num: number, length: number): number[][] {
  return Array.from({ length: num }, () => randomPrompt(length, salt++, options.shape.vocabSize));
}

async function perform(task: Task): Promise<number> {
  if (task.kind === "prepare") {
    await contestant.prepare(options);
    return 0;
  }
  if (task.kind === "load") {
    const beginMs = performance.now();
    loaded = await contestant.load(options);
    return (importMs + performance.now() - beginMs) / 1000;
  }
  if (task.kind === "memory") return process.memoryUsage().rss / 1e6;
  if (task.kind === "close") {
    await loaded?.close();
    return 0;
  }
  await using streams = new Streams(loaded!.open);
  if (task.kind === "decode") {
    await streams.grow(prompts(task.numStreams, task.contextLen));
    return await tokensPerSecond(streams, { minSteps: 8, minMs: 2000, maxMs: 6000 });
  }
  if (task.numStreams > 0) await streams.grow(prompts(task.numStreams, 64));
  return await firstTokenMs(prompts(1, task.promptLen)[0]!);
}

async function firstTokenMs(ids: readonly number[]): Promise<number> {
  const abort = new AbortController();
  const beginMs = performance.now();
  for await (const _numTokens of loaded!.open(ids, abort.signal)) break;
  const ms = performance.now() - beginMs;
  abort.abort();
  return ms;
}

process.on("message", async (task: Task) => {
  const answer = await perform(task).then(
    (value): Answer => ({ value }),
    (error: unknown): Answer => ({ error: error instanceof Error ? error.message : String(error) }),
  );
  process.send!(answer);
});
// whoever measures was cut off
process.on("disconnect", () => process.exit(1));
process.send!({ value: 0 } satisfies Answer);
