/** Tables of docs/performance.md from the records of bench/results. */
import type { DecodeResult, PrefillResult } from "../engine-results.ts";
import { TINY_LLAMA } from "../random-checkpoint.ts";
import { type Machine, machineText, type Results, rounded } from "../report.ts";

/** A line of a Markdown table. */
type Row = readonly (string | number)[];

/** What every record has beside its figures. */
interface Stamp {
  readonly measuredAt: string;
  readonly machine: Machine;
}

type Records<T> = readonly (T & Stamp)[];

/** The records of a section, in the order of their names in the file. */
export function records<T>(results: Results, section: string): Records<T> {
  return Object.values(results[section] ?? {}) as unknown as Records<T>;
}

/** Where and when; several lines when records come from several machines. */
export function provenance(list: Records<unknown>): string {
  const lines = new Map<string, Set<string>>();
  for (const { machine, measuredAt } of list as readonly Stamp[]) {
    const line = machineText(machine);
    lines.set(line, (lines.get(line) ?? new Set()).add(measuredAt));
  }
  return [...lines].map(([line, dates]) => `${line} (${[...dates].sort().join(", ")})`).join("; ");
}

export function markdownTable(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function decodeTable(all: Records<DecodeResult | PrefillResult>): string {
  const list = all.filter((result) => result.kind === "decode").sort(byPrecisionContextStreams);
  const head = [
    "weights",
    "prompt",
    "context",
    "streams",
    "tokens/s",
    "step ms",
    "% of memory roofline",
    "bare loop / engine",
  ];
  return markdownTable(
    head,
    list.map((result) => [
      `${result.precision}${mark(result)}`,
      result.contextLen,
      Math.round(result.meanContext),
      result.numStreams,
      rounded(result.tokensPerSecond),
      rounded(result.p50StepMs),
      rounded(100 * result.rooflineShare),
      result.bareRatio === null ? "" : rounded(result.bareRatio),
    ]),
  );
}

export function partsTable(all: Records<DecodeResult | PrefillResult>): string {
  const list = all.filter((result) => result.kind === "decode").sort(byPrecisionContextStreams);
  const parts = Object.keys(list[0]?.partsMs ?? {}) as (keyof DecodeResult["partsMs"])[];
  return markdownTable(
    ["weights", "streams × context", "% outside run", ...parts.map((part) => `${part} ms`)],
    list.map((result) => [
      result.precision,
      `${result.numStreams} × ${result.contextLen}`,
      rounded(100 * result.outsideShare),
      ...parts.map((part) => rounded(result.partsMs[part])),
    ]),
  );
}

export function prefillTable(all: Records<DecodeResult | PrefillResult>): string {
  const list = all
    .filter((result) => result.kind === "prefill")
    .sort((a, b) => a.precision.localeCompare(b.precision) || a.promptLen - b.promptLen);
  return markdownTable(
    ["weights", "prompt", "tokens/s", "first token ms", "% of int8 peak"],
    list.map((result) => [
      `${result.precision}${mark(result)}`,
      result.promptLen,
      rounded(result.tokensPerSecond),
      rounded(result.firstTokenMs),
      rounded(100 * result.peakShare),
    ]),
  );
}

/** What bench/rivals/run.ts wrote. */
export interface RivalRecord {
  readonly unit: string;
  readonly values: Readonly<Record<string, number>>;
}

/** Those of the whole shape, by task. */
function rivalRecords(results: Results): Readonly<Record<string, RivalRecord>> {
  const whole = `${TINY_LLAMA.numLayers} layers, `;
  const section = (results.rivals ?? {}) as unknown as Readonly<Record<string, RivalRecord>>;
  const entries = Object.entries(section).filter(([name]) => name.startsWith(whole));
  return Object.fromEntries(entries.map(([name, record]) => [name.slice(whole.length), record]));
}

export function rivalsTable(results: Results): string {
  const section = rivalRecords(results);
  const names = [...new Set(Object.values(section).flatMap(({ values }) => Object.keys(values)))];
  return markdownTable(
    ["", ...names],
    Object.entries(section).map(([task, { unit, values }]) => [
      `${task}, ${unit}`,
      ...names.map((name) => (values[name] === undefined ? "" : rounded(values[name]))),
    ]),
  );
}

/** Troupe's figures over those of each rival, more than 1 is more of it. */
export function ratiosTable(results: Results): string {
  const section = rivalRecords(results);
  const names = [...new Set(Object.values(section).flatMap(({ values }) => Object.keys(values)))];
  const ours = names.filter((name) => name.startsWith("troupe"));
  const theirs = names.filter((name) => !name.startsWith("troupe"));
  const pairs = ours.flatMap((own) => theirs.map((other) => [own, other] as const));
  return markdownTable(
    ["", ...pairs.map(([own, other]) => `${own} / ${other}`)],
    Object.entries(section).map(([task, { values }]) => [
      task,
      ...pairs.map(([own, other]) => {
        const [value, reference] = [values[own], values[other]];
        return value === undefined || reference === undefined ? "" : rounded(value / reference);
      }),
    ]),
  );
}

/** A table for each scenario of a section, as bench/schedule.ts writes them. */
export function scenarioTables(results: Results, sectionName: string): string {
  const section = (results[sectionName] ?? {}) as unknown as Readonly<
    Record<string, { readonly rows: Readonly<Record<string, Readonly<Record<string, string | number>>>> }>
  >;
  const tables = Object.entries(section).map(([name, { rows }]) => {
    const columns = Object.keys(Object.values(rows)[0] ?? {});
    const lines = Object.entries(rows).map(([what, figures]) => [
      what,
      ...columns.map((column) => figures[column] ?? ""),
    ]);
    return `**${name}**\n\n${markdownTable(["", ...columns], lines)}`;
  });
  return tables.join("\n\n");
}

/** What bench/cost.ts wrote. */
export function costTable(results: Results): string {
  const section = (results.cost ?? {}) as unknown as Readonly<
    Record<string, { readonly measured: number; readonly limit: number; readonly unit: string }>
  >;
  return markdownTable(
    ["", "measured", "wanted at most"],
    Object.entries(section).map(([what, { measured, limit, unit }]) => [
      what,
      `${rounded(measured)} ${unit}`,
      `${rounded(limit)} ${unit}`,
    ]),
  );
}

/** More of a core than that, and a figure says more about the others. */
const MAX_OTHERS = 0.1;

/** A star where something else ran on the machine meanwhile. */
function mark({ coresOfOthers, limits }: DecodeResult | PrefillResult): string {
  return Math.max(coresOfOthers, limits.coresOfOthers) > MAX_OTHERS ? " \\*" : "";
}

/** Explains the stars; empty when there are none. */
export function explainMarks(all: Records<DecodeResult | PrefillResult>): string {
  const num = all.filter((result) => mark(result) !== "").length;
  if (num === 0) return "";
  return ` \\* marks ${num} of ${all.length} points of the engine during which other programs took more than ${MAX_OTHERS} of a core: they, and ratios to the machine's limits above all, are worth little.`;
}

function byPrecisionContextStreams(a: DecodeResult, b: DecodeResult): number {
  return a.precision.localeCompare(b.precision) || a.contextLen - b.contextLen || a.numStreams - b.numStreams;
}
