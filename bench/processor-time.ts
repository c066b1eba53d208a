/** Processor time of the machine and of this process: what others took while something was measured. */
import { cpus } from "node:os";

/** Milliseconds of all cores since they started. */
export interface ProcessorTime {
  readonly atMs: number;
  readonly busyMs: number;
  readonly ownMs: number;
}

export function processorTime(): ProcessorTime {
  const { user, system } = process.cpuUsage();
  const busyMs = cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  return { atMs: performance.now(), busyMs, ownMs: (user + system) / 1000 };
}

/** Cores that other processes kept busy on average between two moments; 0 where a system does not tell. */
export function coresOfOthers(before: ProcessorTime, after: ProcessorTime): number {
  const ms = after.busyMs - before.busyMs - (after.ownMs - before.ownMs);
  return Math.max(0, ms / (after.atMs - before.atMs));
}
