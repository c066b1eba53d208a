/** Sizes for people. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/**
 * @example
 * ```ts
 * byteText(6_600_000); // "6.3 MiB"
 * ```
 */
export function byteText(numBytes: number): string {
  const power = numBytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(numBytes) / 10), UNITS.length - 1);
  const value = numBytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/**
 * @example
 * ```ts
 * countText(3_300_000); // "3.3 M"
 * ```
 */
export function countText(count: number): string {
  for (const [limit, unit] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ] as const) {
    if (count >= limit) return `${(count / limit).toFixed(count >= 100 * limit ? 0 : 1)} ${unit}`;
  }
  return `${count}`;
}
