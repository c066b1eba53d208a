/** What the supervised of one system share: its node, numbers never used twice, and the announcements to all threads. */
import { type Clock, systemClock } from "../core/clock.ts";
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import { DEAD_LETTER_REASONS, type DeadLetterReason, type SystemEvents } from "./actor-events.ts";
import { ActorNode, SYSTEM_NODE } from "./actor-node.ts";
import type { ActorSystemOptions } from "./actor-system-options.ts";
import type { DownReason, LogLevel, LogSink } from "./actor-types.ts";
import { encodeDownReason } from "./down-reason.ts";
import { type DirectoryEntry, OP } from "./envelope.ts";
import type { EventBus } from "./event-bus.ts";
import type { Host } from "./host.ts";
import type { ServeRequest } from "./node-services.ts";
import type { SystemCore } from "./supervised.ts";

const DEFAULT_ABANDON_AFTER_MS = 30_000;

export class Core implements SystemCore {
  readonly clock: Clock;
  readonly node: ActorNode;
  readonly random: () => number;
  readonly abandonAfterMs: number;
  readonly numDeadLetters: Record<DeadLetterReason, number>;
  readonly #hosts: ReadonlyMap<string, Host>;
  readonly #bus: EventBus<SystemEvents>;
  readonly #sink: LogSink;
  readonly #onRelease: (name: string) => void;
  #lastNodeId = SYSTEM_NODE;
  #lastAddress = 0;

  constructor(
    options: ActorSystemOptions,
    bus: EventBus<SystemEvents>,
    onRelease: (name: string) => void,
    serve: ServeRequest,
  ) {
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    this.abandonAfterMs = options.abandonAfterMs ?? DEFAULT_ABANDON_AFTER_MS;
    this.#hosts = new Map(options.hosts.map((host) => [host.name, host]));
    this.#bus = bus;
    this.#sink = options.log ?? (() => undefined);
    this.#onRelease = onRelease;
    const zeros = DEAD_LETTER_REASONS.map((reason) => [reason, 0]);
    this.numDeadLetters = Object.fromEntries(zeros) as Record<DeadLetterReason, number>;
    this.node = new ActorNode({
      nodeId: SYSTEM_NODE,
      clock: this.clock,
      random: this.random,
      serve,
      log: (record) => this.#sink(record),
      onDeadLetter: (actor, kind, reason, count) => {
        this.numDeadLetters[reason] += count;
        this.emit("dead-letter", { actor, kind, reason, count });
      },
      linkOf: () => invariant(false, "the system's thread makes the routes, it is never sent one") as never,
    });
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new TroupeError("invalid_config", `There is no host "${name}".`);
    return host;
  }

  nextNodeId(): number {
    return ++this.#lastNodeId;
  }

  nextAddress(): number {
    return ++this.#lastAddress;
  }

  announceUp(entry: DirectoryEntry): void {
    this.node.actorUp(entry);
    this.node.broadcast([OP.up, entry]);
  }

  announceDown(entry: DirectoryEntry, reason: DownReason): void {
    this.node.actorDown(entry.address, reason);
    this.node.broadcast([OP.down, entry.address, encodeDownReason(reason)]);
  }

  release(name: string): void {
    this.node.directory.forget(name);
    this.node.broadcast([OP.forget, name]);
    this.#onRelease(name);
  }

  emit<E extends keyof SystemEvents>(event: E, payload: SystemEvents[E]): void {
    this.#bus.emit(event, payload);
  }

  log(level: LogLevel, actor: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.node.log(level, actor, message, fields);
  }
}
