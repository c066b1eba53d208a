/** What an actor system is made of. */
import type { Clock } from "../core/clock.ts";
import type { LogSink } from "./actor-types.ts";
import type { Host } from "./host.ts";
import type { ActorSpec, RestartIntensity } from "./supervisor-spec.ts";

/**
 * Options of an {@link ActorSystem}.
 *
 * @example
 * ```ts
 * const system = createActorSystem({ intensity: { maxRestarts: 10, windowMs: 60_000 } });
 * ```
 */
export interface ActorSystemOptions {
  /** Where actors can run; the name of each is what a spec's `host` refers to. */
  readonly hosts: readonly Host[];
  /** Default: the real clock. */
  readonly clock?: Clock;
  /** Numbers from 0 to 1, for backoff. Default: Math.random. */
  readonly random?: () => number;
  /** Default: nowhere. */
  readonly log?: LogSink;
  /** Of the top supervisor, which restarts what was spawned and the supervisors given to `supervise`. */
  readonly intensity?: RestartIntensity;
  /** An actor that has not parked this long after its `stopTimeoutMs` is abandoned. Default 30 000. */
  readonly abandonAfterMs?: number;
}

/**
 * How an actor is spawned: as an {@link ActorSpec}; a name is chosen when absent.
 *
 * @example
 * ```ts
 * await system.spawn(counter, { name: "counter", args: { start: 1 }, restart: "transient" });
 * ```
 */
export interface SpawnOptions<Args> extends Omit<ActorSpec, "kind" | "name" | "module" | "args"> {
  readonly name?: string;
  readonly args: Args | ((incarnation: number) => Args);
}
