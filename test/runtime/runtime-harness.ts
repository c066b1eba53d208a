/** A system with a probe or two, shut down when the test ends. */
import type { TestContext } from "node:test";
import type { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import type { SystemEvents } from "../../src/runtime/actor-events.ts";
import type { ActorSystem } from "../../src/runtime/actor-system.ts";
import type { ActorSystemOptions, SpawnOptions } from "../../src/runtime/actor-system-options.ts";
import type { ActorRef } from "../../src/runtime/actor-types.ts";
import type { ProbeArgs, ProbeProtocol } from "./actors/probe-actor.ts";

export const PROBE = new URL("./actors/probe-actor.ts", import.meta.url);
export const POOL = new URL("./actors/pool-actor.ts", import.meta.url);

export type Probe = ActorRef<ProbeProtocol>;

export interface Setup {
  readonly system: ActorSystem;
  spawnProbe(options?: Partial<SpawnOptions<ProbeArgs>>): Promise<Probe>;
}

export function setup(
  t: TestContext,
  host: string,
  options: Omit<ActorSystemOptions, "hosts"> & { readonly clock?: ManualClock } = {},
): Setup {
  const system = createActorSystem(options);
  // A case about a shutdown that fails looks at that itself.
  t.after(() => system.shutdown().catch(() => undefined));
  return {
    system,
    spawnProbe: (spawn = {}) =>
      system.spawn<ProbeProtocol>(PROBE, { host, args: {}, restart: "temporary", ...spawn }),
  };
}

/** The next event of that name that fits. */
export function nextEvent<E extends keyof SystemEvents>(
  system: ActorSystem,
  event: E,
  fits: (payload: SystemEvents[E]) => boolean = () => true,
): Promise<SystemEvents[E]> {
  return new Promise((resolve) => {
    const off = system.events.on(event, (payload) => {
      if (!fits(payload)) return;
      off();
      resolve(payload);
    });
  });
}

/** For assert.rejects and assert.throws: a TroupeError of that code. */
export function coded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TroupeError && error.code === code;
}
