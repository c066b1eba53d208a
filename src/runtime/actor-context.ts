/** The context handed to an actor's functions: its thread's messenger, with what is tied to its own life. */
import type { Clock, Timer } from "../core/clock.ts";
import { encodeError } from "../errors/error-codec.ts";
import type { TroupeError } from "../errors/troupe-error.ts";
import type { ActorContext, AnyActorDefinition } from "./actor-definition.ts";
import type { SpawnOptions } from "./actor-system-options.ts";
import {
  type ActorRef,
  type AnyActorRef,
  type AskKind,
  type AskOptions,
  actorRef,
  type GroupChange,
  type ItemOf,
  type LogLevel,
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
import { type CallScope, ROOT_SCOPE } from "./call-scope.ts";
import type { SystemRequest } from "./system-requests.ts";

/** What the actor's cell does for its context. */
export interface ContextHost extends Registry {
  readonly name: string;
  readonly incarnation: number;
  readonly clock: Clock;
  /** Sends on behalf of the handler of a message. */
  messengerWithin(scope: CallScope): Messenger;
  isStopRequested(): boolean;
  /** Names children that were given none. */
  nextChildName(): string;
  request(request: SystemRequest): Promise<void>;
  setMember(group: string, isMember: boolean): void;
  watchGroup(group: string, onChange: (change: GroupChange) => void): Watch;
  watch(ref: AnyActorRef): Watch;
  /** Runs a task in the actor's turn. */
  runTask(task: (state: unknown) => void | Promise<void>): void;
  /** Runs when the actor ends. */
  onEnd(cleanup: () => void): { forget(): void };
  stop(): void;
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
}

export class CellContext implements ActorContext {
  readonly self: ActorRef<Protocol>;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly traceparent: string | null;
  readonly #host: ContextHost;
  readonly #messenger: Messenger;

  constructor(host: ContextHost, scope: CallScope = ROOT_SCOPE) {
    this.#host = host;
    this.#messenger = host.messengerWithin(scope);
    this.traceparent = scope.traceparent;
    this.self = actorRef(host.name);
    this.incarnation = host.incarnation;
    this.clock = host.clock;
  }

  tell<P extends Protocol, K extends TellKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: TellOptions,
  ): boolean {
    return this.#messenger.tell(ref, kind, message, options);
  }

  ask<P extends Protocol, K extends AskKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: AskOptions,
  ): Promise<ReplyOf<P, K>> {
    return this.#messenger.ask(ref, kind, message, options);
  }

  stream<P extends Protocol, K extends StreamKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: StreamOptions,
  ): AsyncIterable<ItemOf<P, K>> {
    return this.#messenger.stream(ref, kind, message, options);
  }

  lookup<P extends Protocol>(name: string): ActorRef<P> | null {
    return this.#host.lookup(name);
  }

  members<P extends Protocol>(group: string): readonly ActorRef<P>[] {
    return this.#host.members(group);
  }

  join(group: string): void {
    this.#host.setMember(group, true);
  }

  leave(group: string): void {
    this.#host.setMember(group, false);
  }

  watchGroup(group: string, callback: (state: unknown, change: GroupChange) => void | Promise<void>): Watch {
    return this.#host.watchGroup(group, (change) => this.#host.runTask((state) => callback(state, change)));
  }

  async spawn<P extends Protocol>(
    module: URL | AnyActorDefinition,
    options: SpawnOptions<unknown>,
  ): Promise<ActorRef<P>> {
    const name = options.name ?? this.#host.nextChildName();
    const source = module instanceof URL ? module.href : module;
    await this.#host.request({ kind: "spawn", spec: { ...options, name, module: source } });
    return actorRef(name);
  }

  stopChild(ref: AnyActorRef): Promise<void> {
    return this.#host.request({ kind: "stopChild", name: ref.actor });
  }

  fail(ref: AnyActorRef, error: TroupeError): Promise<void> {
    return this.#host.request({ kind: "fail", name: ref.actor, error: encodeError(error) });
  }

  stopRequested(): boolean {
    return this.#host.isStopRequested();
  }

  watch(ref: AnyActorRef): Watch {
    return this.#host.watch(ref);
  }

  after(delayMs: number, callback: (state: unknown) => void | Promise<void>): Timer {
    const timer = this.clock.schedule(delayMs, () => {
      life.forget();
      if (!isCancelled) this.#host.runTask((state) => (isCancelled ? undefined : callback(state)));
    });
    let isCancelled = false;
    const cancel = (): void => {
      isCancelled = true;
      timer.cancel();
    };
    const life = this.#host.onEnd(cancel);
    return {
      cancel: () => {
        cancel();
        life.forget();
      },
    };
  }

  every(intervalMs: number, callback: (state: unknown) => void | Promise<void>): Timer {
    let isCancelled = false;
    const next = (): Timer =>
      this.after(intervalMs, async (state) => {
        await callback(state);
        if (!isCancelled) timer = next();
      });
    let timer = next();
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  stop(): void {
    this.#host.stop();
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#host.log(level, message, fields);
  }
}
