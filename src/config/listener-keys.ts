/** Keys of the listeners beside the server's own, and who shares a listener with whom. */
import { z } from "../core/schema.ts";
import type { ConfigSections, ListenerConfig, ServerConfig, TlsConfig } from "./config.ts";

type Problem = (path: string[], message: string) => void;

/** Sections of such listeners. */
const SECTIONS = ["management", "metrics"] as const;

/** Keys with their ranges, each optional. */
export function listenerKeys(defaults: ListenerConfig) {
  const name = z.string().min(1).nullable();
  return z
    .strictObject({
      host: name.default(defaults.host),
      port: z.int().min(0).max(65_535).nullable().default(defaults.port),
      tlsCertificate: name.default(defaults.tlsCertificate),
      tlsKey: name.default(defaults.tlsKey),
      tlsClientCa: name.default(defaults.tlsClientCa),
      tlsRequireClientCertificate: z.boolean().default(defaults.tlsRequireClientCertificate),
    })
    .prefault({});
}

/** What the keys of certificates want of each other. */
export function checkTls(section: string, tls: TlsConfig, problem: Problem): void {
  if ((tls.tlsCertificate === null) !== (tls.tlsKey === null)) {
    const missing = tls.tlsKey === null ? "tlsKey" : "tlsCertificate";
    problem(
      [section, missing],
      `is needed for TLS: set ${section}.tlsCertificate and ${section}.tlsKey, or neither`,
    );
  }
  if (tls.tlsClientCa !== null && tls.tlsCertificate === null)
    problem([section, "tlsClientCa"], `needs ${section}.tlsCertificate and ${section}.tlsKey`);
  if (tls.tlsRequireClientCertificate && tls.tlsClientCa === null)
    problem([section, "tlsRequireClientCertificate"], `needs ${section}.tlsClientCa`);
}

/** What the listeners want of each other: those with one address are one, with one set of certificates. */
export function checkListeners(
  config: Pick<ConfigSections, "server" | (typeof SECTIONS)[number]>,
  problem: Problem,
): void {
  const { server } = config;
  const all: { readonly section: string; readonly at: Address & TlsConfig }[] = [
    { section: "server", at: server },
  ];
  for (const section of SECTIONS) {
    const listener = config[section];
    checkTls(section, listener, problem);
    const at = addressOf(server, listener);
    if (at === null) continue;
    const shared = all.find((other) => isSameAddress(other.at, at));
    if (shared === undefined) all.push({ section, at: { ...listener, ...at } });
    else if (listener.tlsCertificate !== null && !hasSameTls(shared.at, listener))
      problem(
        [section, "tlsCertificate"],
        `cannot differ from ${shared.section}.tlsCertificate, whose listener it shares on port ${at.port}; set another address, or none of the tls keys`,
      );
  }
}

/** Where something listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Null for a listener that is not there. */
export function addressOf(server: ServerConfig, { host, port }: ListenerConfig): Address | null {
  return port === null ? null : { host: host ?? server.host, port };
}

/** Ports that the system chooses are never the same. */
export function isSameAddress(a: Address, b: Address): boolean {
  return a.port !== 0 && a.port === b.port && a.host === b.host;
}

function hasSameTls(a: TlsConfig, b: TlsConfig): boolean {
  return (
    a.tlsCertificate === b.tlsCertificate &&
    a.tlsKey === b.tlsKey &&
    a.tlsClientCa === b.tlsClientCa &&
    a.tlsRequireClientCertificate === b.tlsRequireClientCertificate
  );
}
