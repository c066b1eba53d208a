/**
 * Puts measured figures into docs/performance.md, between its markers, and draws its charts: `npm run bench:docs`. What was
 * not measured stays as it is.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { COLORS, lineChart, type Series } from "./docs/line-chart.ts";
import {
  costTable,
  decodeTable,
  explainMarks,
  partsTable,
  prefillTable,
  provenance,
  ratiosTable,
  records,
  rivalsTable,
  scenarioTables,
} from "./docs/tables.ts";
import type { DecodeResult, PrefillResult } from "./engine-results.ts";
import type { Results } from "./report.ts";

const { values: flags } = parseArgs({
  options: { json: { type: "string", default: "bench/results/results.json" } },
});

const PAGE = fileURLToPath(new URL("../docs/performance.md", import.meta.url));
const ASSETS = fileURLToPath(new URL("../docs/assets/", import.meta.url));

if (!existsSync(flags.json)) {
  console.error(
    `There is no ${flags.json}: measure something first (npm run bench -- --quick), or name the file with --json.`,
  );
  process.exit(2);
}
const results = JSON.parse(readFileSync(flags.json, "utf8")) as Results;
const engine = records<DecodeResult | PrefillResult>(results, "engine").filter(
  ({ variant }) => variant === "",
);
const decodes = engine.filter((result) => result.kind === "decode");

/** Text for each marker, by the section of the results that it needs. */
const BLOCKS: readonly (readonly [section: string, marker: string, write: () => string])[] = [
  ["engine", "machine", () => `Measured on ${provenance(engine)}.${explainMarks(engine)}`],
  ["engine", "decode", () => decodeTable(engine)],
  ["engine", "parts", () => partsTable(engine)],
  ["engine", "prefill", () => prefillTable(engine)],
  ["rivals", "rivals", () => rivalsTable(results)],
  ["rivals", "ratios", () => ratiosTable(results)],
  ["schedule", "schedule", () => scenarioTables(results, "schedule")],
  ["guessing", "guessing", () => scenarioTables(results, "guessing")],
  ["cost", "cost", () => costTable(results)],
];

let page = readFileSync(PAGE, "utf8");
for (const [section, marker, write] of BLOCKS) {
  const isMeasured = section === "engine" ? engine.length > 0 : results[section] !== undefined;
  if (!isMeasured) continue;
  const block = new RegExp(`(<!-- bench: ${marker} -->\n)[^]*?(\n<!-- /bench -->)`);
  page = page.replace(block, (_whole, open: string, close: string) => `${open}\n${write()}\n${close}`);
}
writeFileSync(PAGE, page);

/** One line for each precision and `key`, where there are at least two points. */
function series(
  key: (result: DecodeResult) => number,
  label: (value: number) => string,
  point: (result: DecodeResult) => readonly [number, number],
): Series[] {
  const keys = [...new Set(decodes.map(key))].sort((a, b) => a - b);
  const precisions = [...new Set(decodes.map(({ precision }) => precision))].sort().reverse();
  const all = precisions.flatMap((precision, index) =>
    keys.map((value, place) => ({
      name: `${precision}, ${label(value)}`,
      color: COLORS[place % COLORS.length]!,
      isDashed: index > 0,
      points: decodes
        .filter((result) => result.precision === precision && key(result) === value)
        .map(point)
        .sort(([a], [b]) => a - b),
    })),
  );
  return all.filter(({ points }) => points.length > 1);
}

function draw(file: string, chart: Parameters<typeof lineChart>[0]): void {
  if (chart.series.length === 0) return;
  mkdirSync(ASSETS, { recursive: true });
  writeFileSync(`${ASSETS}${file}`, lineChart(chart));
}

draw("throughput-by-streams.svg", {
  title: "Tokens a second of all streams together",
  xLabel: "streams",
  yLabel: "tokens/s",
  isLogarithmic: true,
  series: series(
    ({ contextLen }) => contextLen,
    (contextLen) => `context ${contextLen}`,
    ({ numStreams, tokensPerSecond }) => [numStreams, tokensPerSecond],
  ),
});
draw("step-time-by-context.svg", {
  title: "Time of a decode step",
  xLabel: "context, tokens",
  yLabel: "ms",
  isLogarithmic: false,
  series: series(
    ({ numStreams }) => numStreams,
    (numStreams) => `${numStreams} stream${numStreams === 1 ? "" : "s"}`,
    ({ contextLen, p50StepMs }) => [contextLen, p50StepMs],
  ),
});
