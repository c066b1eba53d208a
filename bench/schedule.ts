/**
 * How well steps are planned: prompts in chunks beside running streams, the prefix cache, waste in pages, preemption,
 * and a client that floods. On the embedded model, and on the shape of TinyLlama-1.1B.
 *
 *     node bench/schedule.ts --layers 22 --only prefix-cache
 */
import { parseArgs } from "node:util";
import { printTable, writeResults } from "./report.ts";
import { chunkedPrefill } from "./schedule/chunked-prefill.ts";
import { fairness } from "./schedule/fairness.ts";
import { pageWaste } from "./schedule/page-waste.ts";
import { preemption } from "./schedule/preemption.ts";
import { prefixCache } from "./schedule/prefix-cache.ts";
import { embeddedSubject, type Figures, randomSubject, type Subject } from "./schedule/subject.ts";

const { values: flags } = parseArgs({
  options: {
    /** 0 leaves the large shape out. */
    layers: { type: "string", default: "4" },
    only: { type: "string" },
    json: { type: "string", default: "bench/results/results.json" },
  },
});

const SCENARIOS: Readonly<Record<string, (subject: Subject) => Promise<Record<string, Figures>>>> = {
  "chunked-prefill": chunkedPrefill,
  "prefix-cache": prefixCache,
  "page-waste": pageWaste,
  preemption,
  fairness,
};

const numLayers = Number(flags.layers);
const subjects = [embeddedSubject(), ...(numLayers > 0 ? [randomSubject(numLayers)] : [])];
const names = flags.only?.split(",") ?? Object.keys(SCENARIOS);
for (const name of names) {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) {
    console.error(`--only takes ${Object.keys(SCENARIOS).join(", ")}; it is ${name}.`);
    process.exit(2);
  }
  for (const subject of subjects) {
    const rows = await scenario(subject);
    printTable(
      `${name}, ${subject.name}`,
      Object.entries(rows).map(([what, figures]) => ({ what, ...figures })),
    );
    writeResults(flags.json, "schedule", { [`${name}, ${subject.name}`]: { rows } });
  }
}
