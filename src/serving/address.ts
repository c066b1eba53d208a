/** Whose address it is, for limits by address: one IPv4 address, or one IPv6 network of 64 bits, as providers give them out. */
import { isIPv6 } from "node:net";

const NETWORK_GROUPS = 4;

/**
 * @example
 * ```ts
 * networkOf("::ffff:192.0.2.1"); // "192.0.2.1"
 * networkOf("2001:db8::1"); // "2001:db8:0:0"
 * ```
 */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const plain = address.split("%", 1)[0] ?? address;
  if (!isIPv6(plain) || plain === "::1") return plain;
  const [before = "", after = ""] = plain.split("::") as [string, string?];
  const groups = before === "" ? [] : before.split(":");
  const numAfter = after === "" ? 0 : after.split(":").length;
  const tail = after === "" ? [] : after.split(":");
  const zeros = Array.from({ length: 8 - groups.length - numAfter }, () => "0");
  return [...groups, ...zeros, ...tail].slice(0, NETWORK_GROUPS).join(":");
}
