/**
 * Which listeners there are and what each is for. A plane is a group of routes with one kind of user: clients of the
 * model, operators, and Prometheus. Planes with one address share a listener.
 */
import type { ListenerConfig, ServerConfig } from "../config/config.ts";
import { addressOf, isSameAddress } from "../config/listener-keys.ts";
import type { Route } from "./http-exchange.ts";

/** @see planListeners */
export const PLANES = ["service", "management", "metrics"] as const;
/** One of {@link PLANES}. */
export type Plane = (typeof PLANES)[number];

/** The sections of the configuration that say where to listen. */
export interface ListenerSections {
  readonly server: ServerConfig;
  readonly management: ListenerConfig;
  readonly metrics: ListenerConfig;
}

/** One listener to be opened. */
export interface ListenerPlan {
  /** The section that its address and certificates are from. */
  readonly section: "server" | "management" | "metrics";
  readonly planes: readonly Plane[];
  /** The server's configuration at this address, with these certificates. */
  readonly config: ServerConfig;
}

/**
 * @returns the server's own first
 * @example
 * ```ts
 * planListeners(defaultConfig()).length; // 1
 * ```
 */
export function planListeners({ server, management, metrics }: ListenerSections): readonly ListenerPlan[] {
  const plans: ListenerPlan[] = [{ section: "server", planes: ["service"], config: server }];
  for (const [section, listener] of [
    ["management", management],
    ["metrics", metrics],
  ] as const) {
    const address = addressOf(server, listener);
    if (address === null) continue;
    const place = plans.findIndex(({ config }) => isSameAddress(config, address));
    const shared = plans[place];
    if (shared !== undefined) plans[place] = { ...shared, planes: [...shared.planes, section] };
    else plans.push({ section, planes: [section], config: { ...server, ...listener, ...address } });
  }
  return plans;
}

/** The routes of several planes on one listener; where two have the same address, the first one's. */
export function joinRoutes(groups: readonly (readonly Route[])[]): readonly Route[] {
  const routes = new Map<string, Route>();
  for (const route of groups.flat()) {
    const name = `${route.method} ${route.path}`;
    if (!routes.has(name)) routes.set(name, route);
  }
  return [...routes.values()];
}
