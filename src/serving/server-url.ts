/** Where a server that listens is reached from this machine. */

/**
 * A URL with a host that can be connected to: "all interfaces" becomes this machine.
 *
 * @example
 * ```ts
 * toUrl("http", "0.0.0.0", 8000); // "http://127.0.0.1:8000"
 * ```
 */
export function toUrl(scheme: string, host: string, port: number): string {
  const own = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${scheme}://${own.includes(":") ? `[${own}]` : own}:${port}`;
}
