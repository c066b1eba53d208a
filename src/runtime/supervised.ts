/** What a supervisor starts and stops: an actor or another supervisor. */
import type { Clock } from "../core/clock.ts";
import type { SystemEvents } from "./actor-events.ts";
import type { ActorNode } from "./actor-node.ts";
import type { DownReason, LogLevel } from "./actor-types.ts";
import type { DirectoryEntry } from "./envelope.ts";
import type { Host } from "./host.ts";
import type { RestartKind } from "./supervisor-spec.ts";

export type SupervisedState = "idle" | "starting" | "running" | "stopping" | "down" | "abandoned";

/** A child as its supervisor sees it. */
export interface Supervised {
  readonly name: string;
  readonly restart: RestartKind;
  readonly state: SupervisedState;
  /** @throws TroupeError when it could not be started; nothing of it runs then, unless it was abandoned. */
  start(): Promise<void>;
  /** Ends it, also while it is starting. @throws TroupeError `deadline_exceeded` when a part of it did not end. */
  stop(reason: DownReason): Promise<void>;
}

/** Called when a running child goes down without having been asked to. */
export type DownListener = (child: Supervised, reason: DownReason) => void;

/** What children need of the system. */
export interface SystemCore {
  readonly node: ActorNode;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** How long after `stopTimeoutMs` an actor that has not parked is abandoned. */
  readonly abandonAfterMs: number;
  host(name: string): Host;
  nextNodeId(): number;
  nextAddress(): number;
  announceUp(entry: DirectoryEntry): void;
  announceDown(entry: DirectoryEntry, reason: DownReason): void;
  /** Nobody restarts it any more: the name is free. */
  release(name: string): void;
  emit<E extends keyof SystemEvents>(event: E, payload: SystemEvents[E]): void;
  log(level: LogLevel, actor: string, message: string, fields: Readonly<Record<string, unknown>>): void;
}
