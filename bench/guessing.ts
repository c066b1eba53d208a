/**
 * What guessing ahead (engine.maxDraftTokens) brings to one stream of the embedded model: texts that quote, repeat a form, or
 * run free. What wrong guesses cost a larger model, bench/runner.ts tells.
 *
 *     node bench/guessing.ts --rounds 5 --drafts 0,4,8
 */
import { parseArgs } from "node:util";
import { startEngine } from "../actors/engine.ts";
import { parseConfig } from "../src/config/load-config.ts";
import type { Engine } from "../src/protocol/engine.ts";
import { createSamplingParams } from "../src/sampling/create-sampling-params.ts";
import { describeMachine, machineText, median, printTable, rounded, writeResults } from "./report.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    drafts: { type: "string", default: "0,4,8" },
    json: { type: "string", default: "bench/results/results.json" },
  },
});

interface Task {
  readonly question: string;
  readonly temperature: number;
}

const TASKS: Readonly<Record<string, Task>> = {
  "quotes its prompt": {
    question:
      "Repeat this exactly: The quick brown fox jumps over the lazy dog. A tenant pays rent on the first day of each month.",
    temperature: 0,
  },
  "writes JSON": {
    question: "Write a JSON list of ten people with name, age and city.",
    temperature: 0,
  },
  "free text, greedy": { question: "Tell me a story about a house by the sea.", temperature: 0 },
  "free text, temperature 0.8": {
    question: "Tell me a story about a house by the sea.",
    temperature: 0.8,
  },
};
const NUM_TOKENS = 240;

async function tokensPerSecond(engine: Engine, task: Task, seed: number): Promise<number> {
  const messages = [{ role: "user", content: task.question }];
  const params = createSamplingParams({
    temperature: task.temperature,
    maxTokens: NUM_TOKENS,
    seed,
    ignoreEos: true,
  });
  const times: number[] = [];
  for await (const event of engine.generate({ prompt: { kind: "chat", messages }, params }))
    if (event.kind === "delta") times.push(performance.now());
  return ((times.length - 1) / (times.at(-1)! - times[0]!)) * 1000;
}

const lengths = flags.drafts.split(",").map(Number);
const engines = await Promise.all(
  lengths.map((maxDraftTokens) => startEngine(parseConfig({ engine: { maxDraftTokens } }))),
);
try {
  const rows: Record<string, Record<string, number | string>> = {};
  for (const [name, task] of Object.entries(TASKS)) {
    const speeds = lengths.map((): number[] => []);
    const before = engines.map((engine) => engine.status().counters);
    for (let round = 0; round < Number(flags.rounds); round++)
      for (const [place, engine] of engines.entries())
        speeds[place]!.push(await tokensPerSecond(engine, task, round));
    rows[name] = Object.fromEntries(
      lengths.flatMap((length, place) => {
        const { draftTokens, acceptedTokens } = engines[place]!.status().counters;
        const numDrafted = draftTokens - before[place]!.draftTokens;
        const numAccepted = acceptedTokens - before[place]!.acceptedTokens;
        const speed = [`guessing ${length}, tokens/s`, rounded(median(speeds[place]!))] as const;
        const right = [`right of ${length}, %`, rounded((100 * numAccepted) / numDrafted)] as const;
        return length === 0 ? [speed] : [speed, right];
      }),
    );
  }
  printTable(
    "by the most tokens that a step guesses",
    Object.entries(rows).map(([what, figures]) => ({ what, ...figures })),
  );
  const title = `embedded model, one stream, ${machineText(describeMachine())}`;
  writeResults(flags.json, "guessing", { [title]: { rows } });
} finally {
  for (const engine of engines) await engine.stop();
}
console.log(machineText(describeMachine()));
