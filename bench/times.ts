/** Measuring: many short waits one after the other, or a bounded number at once. */

/** A row of a table. */
export interface TimesRow {
  readonly what: string;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Microseconds of each of `num` calls, one after the other. */
export async function timesUs(num: number, once: (n: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < num; n++) {
    const startedMs = performance.now();
    await once(n);
    times.push((performance.now() - startedMs) * 1000);
  }
  return times;
}

export function timesRow(what: string, times: readonly number[]): TimesRow {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number): number => Math.round((sorted[Math.floor(part * sorted.length)] ?? 0) * 10) / 10;
  return { what, p50Us: at(0.5), p99Us: at(0.99) };
}

/** Calls a second, `depth` of them under way at any time. */
export async function callsPerSecond(
  num: number,
  depth: number,
  once: () => Promise<unknown>,
): Promise<number> {
  let numLeft = num;
  const startedMs = performance.now();
  const line = async (): Promise<void> => {
    while (numLeft-- > 0) await once();
  };
  await Promise.all(Array.from({ length: depth }, line));
  return Math.round(num / ((performance.now() - startedMs) / 1000));
}
