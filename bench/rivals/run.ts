/**
 * Troupe against what a Node program would use instead: the same shape, random weights, turn by turn in one run.
 * README.md says what to install first.
 *
 *     node bench/rivals/run.ts                                              # everything, some minutes
 *     node bench/rivals/run.ts --contestants troupe-w8,llama-Q8_0 --tasks decode-16
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { toTroupeError } from "../../src/errors/troupe-error.ts";
import { TINY_LLAMA } from "../random-checkpoint.ts";
import { describeMachine, machineText, median, rounded, writeResults } from "../report.ts";
import type { Task } from "./contestant.ts";
import { type Competitor, ENTRANTS, type Entrant, startCompetitor, USUAL_ENTRANTS } from "./rival.ts";

const { values: flags } = parseArgs({
  options: {
    contestants: { type: "string", default: USUAL_ENTRANTS.join(",") },
    tasks: { type: "string" },
    rounds: { type: "string", default: "2" },
    layers: { type: "string", default: String(TINY_LLAMA.numLayers) },
    json: { type: "string", default: "bench/results/results.json" },
  },
});

/** What is measured of each, and its unit. */
const TASKS: Readonly<Record<string, { readonly unit: string; readonly task: Task }>> = {
  "decode-1": { unit: "tokens/s", task: { kind: "decode", numStreams: 1, contextLen: 64 } },
  "decode-16": { unit: "tokens/s", task: { kind: "decode", numStreams: 16, contextLen: 64 } },
  "decode-32": { unit: "tokens/s", task: { kind: "decode", numStreams: 32, contextLen: 64 } },
  "prefill-512": {
    unit: "ms",
    task: { kind: "firstToken", numStreams: 0, promptLen: 512 },
  },
  "first-token-beside-16": {
    unit: "ms",
    task: { kind: "firstToken", numStreams: 16, promptLen: 512 },
  },
  memory: { unit: "MB", task: { kind: "memory" } },
};
const REFERENCE = "llama-Q4_0";

const names = flags.contestants.split(",");
const taskNames = flags.tasks?.split(",") ?? Object.keys(TASKS);
const unknown = [
  ...names.filter((name) => ENTRANTS[name] === undefined),
  ...taskNames.filter((name) => TASKS[name] === undefined),
];
if (unknown.length > 0) {
  console.error(
    `Not known: ${unknown.join(", ")}. Contestants: ${Object.keys(ENTRANTS).join(", ")}. Tasks: ${Object.keys(TASKS).join(", ")}.`,
  );
  process.exit(2);
}

const options = {
  shape: { ...TINY_LLAMA, numLayers: Number(flags.layers) },
  maxStreams: 33,
  maxContext: 1024,
  numThreads: availableParallelism(),
};

const measured = new Map<string, Map<string, number>>();
/** Also into the file, so that a run which is cut off keeps what it has. */
const record = (task: string, name: string, value: number): void => {
  const unit = TASKS[task]?.unit ?? "s";
  const values = (measured.get(task) ?? new Map<string, number>()).set(name, value);
  measured.set(task, values);
  console.log(`${task}, ${name}: ${rounded(value)} ${unit}`);
  writeResults(flags.json, "rivals", {
    [`${flags.layers} layers, ${task}`]: { unit, values: Object.fromEntries(values) },
  });
};

/** Loads twice: the first time brings the files into the system's cache. */
async function loadWarm(name: string, entrant: Entrant): Promise<Competitor | null> {
  let first: Competitor | undefined;
  try {
    first = await startCompetitor(entrant, options);
    await first.perform({ kind: "prepare" });
    if (entrant.module === null) return first;
    await first.perform({ kind: "load" });
  } catch (error) {
    console.log(`${name} does not run: ${toTroupeError(error).message}`);
    return null;
  } finally {
    await first?.end();
  }
  const competitor = await startCompetitor(entrant, options);
  record("load", name, await competitor.perform({ kind: "load" }));
  return competitor;
}

/** Null for what it cannot do. */
async function tryTask(competitor: Competitor, task: Task): Promise<number | null> {
  try {
    return await competitor.perform(task);
  } catch (error) {
    if (toTroupeError(error).code === "unsupported") return null;
    throw error;
  }
}

const competitors = new Map<string, Competitor>();
try {
  for (const name of names) {
    const competitor = await loadWarm(name, ENTRANTS[name]!);
    if (competitor !== null) competitors.set(name, competitor);
  }
  for (const taskName of taskNames) {
    const values = new Map([...competitors.keys()].map((name) => [name, [] as number[]]));
    for (let round = 0; round < Number(flags.rounds); round++) {
      for (const [name, competitor] of competitors) {
        const value = await tryTask(competitor, TASKS[taskName]!.task);
        if (value !== null) values.get(name)!.push(value);
      }
    }
    for (const [name, list] of values) if (list.length > 0) record(taskName, name, median(list));
  }
} finally {
  for (const competitor of competitors.values()) await competitor.end();
}

console.log(`${machineText(describeMachine())}\n${flags.layers} layers of TinyLlama-1.1B`);
const rows = [...measured].map(([task, values]) => {
  const reference = values.get(REFERENCE);
  const cells = [...values].map(([name, value]) => {
    const ratio = reference === undefined || name === REFERENCE ? "" : ` (${rounded(value / reference)})`;
    return [name, `${rounded(value)}${ratio}`];
  });
  return { what: `${task}, ${TASKS[task]?.unit ?? "s"}`, ...Object.fromEntries(cells) };
});
console.table(rows);
console.log(`In brackets: divided by ${REFERENCE}. More is better for tokens/s, less for all else.`);
