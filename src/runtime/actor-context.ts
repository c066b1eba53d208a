/** The context handed to an actor's functions: its thread's messenger, with what is tied to its own life. */
import type { Clock, Timer } from "../core/clock.ts";
import type { ActorContext } from "./actor-definition.ts";
import {
  type ActorRef,
  type AnyActorRef,
  type AskKind,
  type AskOptions,
  actorRef,
  type ItemOf,
  type LogLevel,
  type MessageOf,
  type Messenger,
  type Protocol,
  type ReplyOf,
  type StreamKind,
  type StreamOptions,
  type TellKind,
  type TellOptions,
  type Watch,
} from "./actor-types.ts";

/** What the actor's cell does for its context. */
export interface ContextHost {
  readonly name: string;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly messenger: Messenger;
  isStopRequested(): boolean;
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
  readonly #host: ContextHost;

  constructor(host: ContextHost) {
    this.#host = host;
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
    return this.#host.messenger.tell(ref, kind, message, options);
  }

  ask<P extends Protocol, K extends AskKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: AskOptions,
  ): Promise<ReplyOf<P, K>> {
    return this.#host.messenger.ask(ref, kind, message, options);
  }

  stream<P extends Protocol, K extends StreamKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: StreamOptions,
  ): AsyncIterable<ItemOf<P, K>> {
    return this.#host.messenger.stream(ref, kind, message, options);
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
