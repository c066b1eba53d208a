/**
 * An actor system: the top supervisor, the actors' names, and the messenger of the thread it lives on. Everything that
 * waits or is random comes in through its options; two systems in one process know nothing of each other.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { ActorDefinition, AnyActorDefinition } from "./actor-definition.ts";
import type { SystemEvents, SystemInspection } from "./actor-events.ts";
import type { ActorSystemOptions, SpawnOptions } from "./actor-system-options.ts";
import {
  type ActorRef,
  type AnyActorRef,
  type AskKind,
  type AskOptions,
  actorRef,
  type Down,
  type DownReason,
  type GroupChange,
  type ItemOf,
  type MessageOf,
  type Messenger,
  type Protocol,
  type Registry,
  type ReplyOf,
  type StreamKind,
  type StreamOptions,
  type TellKind,
  type TellOptions,
  type Watch,
} from "./actor-types.ts";
import { checkSpec } from "./check-spec.ts";
import { EventBus, type EventSource } from "./event-bus.ts";
import { DEFAULT_INTENSITY } from "./restart-policy.ts";
import { failActor, type RequestOffice, serveRequest } from "./serve-requests.ts";
import type { Supervised } from "./supervised.ts";
import { SupervisedActor } from "./supervised-actor.ts";
import { type ChildFactory, Supervisor } from "./supervisor.ts";
import type { ChildSpec, SupervisorSpec } from "./supervisor-spec.ts";
import { Core } from "./system-core.ts";

type SystemState = SystemInspection["state"];

/**
 * @example
 * ```ts
 * const system = createActorSystem();
 * const counter = await system.spawn(counterActor, { args: { start: 1 } });
 * system.tell(counter, "add", 2);
 * console.log(await system.ask(counter, "total", null)); // 3
 * await system.shutdown();
 * ```
 */
export class ActorSystem implements Messenger, Registry {
  readonly events: EventSource<SystemEvents>;
  readonly #bus: EventBus<SystemEvents>;
  readonly #core: Core;
  readonly #top: Supervisor;
  readonly #names = new Set<string>();
  readonly #hostNames: ReadonlySet<string>;
  readonly #office: RequestOffice = {
    actors: () => actorsOf(this.#top),
    reserve: (spec) => this.#reserve(spec),
  };
  #state: SystemState = "running";
  #numSpawned = 0;
  #shutdown: Promise<void> | null = null;

  constructor(options: ActorSystemOptions) {
    this.#bus = new EventBus((event, error) =>
      this.#core.log("error", "system", `A listener of "${event}" threw.`, { error: String(error) }),
    );
    this.events = this.#bus;
    this.#core = new Core(
      options,
      this.#bus,
      (name) => this.#names.delete(name),
      (address, request) => serveRequest(this.#office, address, request),
    );
    this.#hostNames = new Set(options.hosts.map((host) => host.name));
    const spec: SupervisorSpec = {
      kind: "supervisor",
      name: "system",
      strategy: "one-for-one",
      children: [],
      intensity: options.intensity ?? DEFAULT_INTENSITY,
    };
    this.#names.add(spec.name);
    const onDown = (_child: Supervised, reason: DownReason): void => this.#fail(reason);
    this.#top = new Supervisor(spec, this.#core, onDown, makeChild(this.#core), { keepsEnded: false });
    void this.#top.start();
  }

  /**
   * Starts a tree and waits for every init in it. It is itself supervised: when its supervisor gives up, it is restarted
   * within the system's own intensity; when that is spent, the event `failed` is the last word.
   *
   * @throws TroupeError `invalid_config`; `actor_init_failed` when an init failed, everything started being stopped
   * again; `system_stopped`.
   * @example
   * ```ts
   * await system.supervise({ kind: "supervisor", name: "pair", strategy: "one-for-all", children: [reader, writer] });
   * ```
   */
  async supervise(spec: SupervisorSpec): Promise<void> {
    await this.#add(spec);
  }

  /**
   * Starts one actor under the top supervisor and waits for its init.
   *
   * @throws TroupeError as {@link supervise}.
   */
  spawn<P extends Protocol, Args, State>(
    definition: ActorDefinition<P, Args, State>,
    options: SpawnOptions<Args>,
  ): Promise<ActorRef<P>>;
  spawn<P extends Protocol>(module: URL, options: SpawnOptions<unknown>): Promise<ActorRef<P>>;
  async spawn(module: URL | AnyActorDefinition, options: SpawnOptions<unknown>): Promise<ActorRef<Protocol>> {
    const name = options.name ?? `actor-${++this.#numSpawned}`;
    await this.#add({ ...options, name, module });
    return actorRef(name);
  }

  async #add(spec: ChildSpec): Promise<void> {
    this.#reserve(spec);
    await this.#top.add(spec);
  }

  #reserve(spec: ChildSpec): void {
    this.#requireRunning();
    const names = checkSpec(spec, (name) => this.#names.has(name), this.#hostNames);
    for (const name of names) this.#names.add(name);
  }

  #requireRunning(): void {
    if (this.#state === "running") return;
    throw new TroupeError("system_stopped", `The actor system is ${this.#state}; nothing can be started.`);
  }

  /**
   * Ends what was spawned or supervised under that name, for good.
   *
   * @throws TroupeError `actor_not_found`; `deadline_exceeded` when it did not park and was abandoned.
   * @example
   * ```ts
   * await system.stop(counter);
   * ```
   */
  async stop(ref: AnyActorRef): Promise<void> {
    const child = this.#top.children.find((candidate) => candidate.name === ref.actor);
    if (child === undefined) {
      throw new TroupeError(
        "actor_not_found",
        `"${ref.actor}" was not spawned or supervised by this system.`,
      );
    }
    await this.#top.removeChild(child, { kind: "stopped" });
  }

  /**
   * Has an actor treated as crashed: it is stopped as any other, never by force, and its supervisor decides.
   *
   * @throws TroupeError `actor_not_found` when nothing runs under that name.
   * @example
   * ```ts
   * system.fail(actorRef("camera"), new TroupeError("deadline_exceeded", "No frame for 5 s."));
   * ```
   */
  fail(ref: AnyActorRef, error: TroupeError): void {
    failActor(this.#office, ref.actor, error);
  }

  lookup<P extends Protocol>(name: string): ActorRef<P> | null {
    return this.#core.node.lookup(name);
  }

  members<P extends Protocol>(group: string): readonly ActorRef<P>[] {
    return this.#core.node.members(group);
  }

  /**
   * Calls `onChange` at every change of a group's members, until it is cancelled.
   *
   * @example
   * ```ts
   * system.watchGroup("shards", ({ kind, ref, members }) => console.log(ref.actor, kind, members.length));
   * ```
   */
  watchGroup(group: string, onChange: (change: GroupChange) => void): Watch {
    return this.#core.node.watchGroup(group, (change) => {
      try {
        onChange(change);
      } catch (error) {
        this.#core.log("error", "system", `The watcher of group ${group} threw.`, { error: String(error) });
      }
    });
  }

  /**
   * Calls `onDown` once, when the present incarnation of `ref` is no more (soon, if there is none).
   *
   * @example
   * ```ts
   * const watch = system.watch(counter, ({ reason }) => console.log("down:", reason.kind));
   * watch.cancel();
   * ```
   */
  watch(ref: AnyActorRef, onDown: (down: Down) => void): Watch {
    return this.#core.node.watch(ref, (down) => {
      try {
        onDown(down);
      } catch (error) {
        this.#core.log("error", "system", `The watcher of ${ref.actor} threw.`, { error: String(error) });
      }
    });
  }

  tell<P extends Protocol, K extends TellKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: TellOptions,
  ): boolean {
    return this.#core.node.messenger.tell(ref, kind, message, options);
  }

  ask<P extends Protocol, K extends AskKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: AskOptions,
  ): Promise<ReplyOf<P, K>> {
    return this.#core.node.messenger.ask(ref, kind, message, options);
  }

  stream<P extends Protocol, K extends StreamKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: StreamOptions,
  ): AsyncIterable<ItemOf<P, K>> {
    return this.#core.node.messenger.stream(ref, kind, message, options);
  }

  /**
   * Plain data about every actor, read from shared memory: no actor is asked, a stuck one does not hide.
   *
   * @example
   * ```ts
   * for (const { name, state, mailbox } of system.inspect().actors) console.log(name, state, mailbox.numMessages);
   * ```
   */
  inspect(): SystemInspection {
    return {
      state: this.#state,
      actors: [...actorsOf(this.#top)].flatMap((actor) => actor.inspect() ?? []),
      numDeadLetters: { ...this.#core.numDeadLetters },
      numPendingCalls: this.#core.node.calls.size,
    };
  }

  /**
   * Stops every actor, last started first, and settles every open call with `system_stopped`. No handle is left: the
   * process can end by itself. Idempotent.
   *
   * @throws TroupeError `deadline_exceeded` when an actor did not park and was abandoned; all others are stopped even so.
   * @example
   * ```ts
   * process.once("SIGTERM", () => void system.shutdown());
   * ```
   */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#stopAll();
    return this.#shutdown;
  }

  async #stopAll(): Promise<void> {
    this.#state = "stopping";
    try {
      await this.#top.stop({ kind: "shutdown" });
    } finally {
      this.#core.node.close(new TroupeError("system_stopped", "The actor system has been stopped."));
      this.#state = "stopped";
      this.#bus.emit("stopped", {});
    }
  }

  #fail(reason: DownReason): void {
    const cause = reason.kind === "crash" ? reason.error : undefined;
    const error =
      cause?.code === "restart_budget_spent"
        ? cause
        : new TroupeError("restart_budget_spent", `A restart failed: ${cause?.message}`, { cause });
    this.#state = "failed";
    this.#core.log("error", "system", "The top supervisor gave up; nothing runs any more.", {
      error: error.message,
    });
    this.#bus.emit("failed", { error });
  }
}

function makeChild(core: Core): ChildFactory {
  const make: ChildFactory = (spec, supervisor, onDown) =>
    spec.kind === "supervisor"
      ? new Supervisor(spec, core, onDown, make)
      : new SupervisedActor(spec, supervisor, core, onDown, make);
  return make;
}

/** All actors below, in start order; what an actor spawned comes after it. */
function* actorsOf(parent: Supervised): Generator<SupervisedActor, void, undefined> {
  if (parent instanceof SupervisedActor) yield parent;
  if (!(parent instanceof SupervisedActor || parent instanceof Supervisor)) return;
  for (const child of parent.children) yield* actorsOf(child);
}
