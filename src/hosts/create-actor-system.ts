/** The usual actor system: actors on its own thread and on threads of their own. */
import { ActorSystem } from "../runtime/actor-system.ts";
import type { ActorSystemOptions } from "../runtime/actor-system-options.ts";
import { inlineHost } from "./inline-host.ts";
import { threadHost } from "./thread-host.ts";

/**
 * Makes an actor system with the hosts `inline` and `thread`.
 *
 * @example
 * ```ts
 * const system = createActorSystem({ log: (record) => console.error(record.actor, record.message) });
 * ```
 */
export function createActorSystem(options: Omit<ActorSystemOptions, "hosts"> = {}): ActorSystem {
  return new ActorSystem({ ...options, hosts: [inlineHost(), threadHost()] });
}
