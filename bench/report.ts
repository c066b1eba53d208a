/** What every benchmark says of itself: the machine, the versions, a table, and JSON to compare with later. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os";
import { dirname } from "node:path";

/** What a figure was measured on. */
export interface Machine {
  readonly cpu: string;
  readonly numCores: number;
  readonly memoryGb: number;
  readonly platform: string;
  readonly node: string;
  readonly onnxRuntime: string;
}

export function describeMachine(): Machine {
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    numCores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${arch()}`,
    node: process.version.slice(1),
    onnxRuntime: version,
  };
}

/** `2 cores of AMD EPYC, 24 GB, linux x64, Node 24.21.0, onnxruntime-node 1.30.0` */
export function machineText({ cpu, numCores, memoryGb, platform, node, onnxRuntime }: Machine): string {
  return `${numCores} cores of ${cpu}, ${memoryGb} GB, ${platform}, Node ${node}, onnxruntime-node ${onnxRuntime}`;
}

/** A machine and a line about the settings, then a table. */
export function printTable(
  heading: string,
  rows: readonly Readonly<Record<string, string | number>>[],
): void {
  console.log(`${machineText(describeMachine())}\n${heading}`);
  console.table(rows);
}

/** Three digits, or all before the point: 0.0123, 1.23, 12.3, 1234. */
export function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

/** Half of `values` are not larger. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** A share `part` of `values` is not larger. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

/** Results in a file: a section for each benchmark, a record for each thing measured in it, kept until measured again. */
export type Results = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Adds records to one section of `file`, which is made if need be. */
export function writeResults(file: string, section: string, records: Readonly<Record<string, object>>): void {
  const before: Results = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Results) : {};
  const machine = describeMachine();
  const measuredAt = new Date().toISOString().slice(0, 10);
  const added = Object.fromEntries(
    Object.entries(records).map(([name, record]) => [name, { ...record, measuredAt, machine }]),
  );
  mkdirSync(dirname(file), { recursive: true });
  const results = { ...before, [section]: { ...before[section], ...added } };
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
}
