/** How an actor is written: init makes its state, handlers change it, one message at a time. */
import type { Transferable } from "node:worker_threads";
import type { Clock, Timer } from "../core/clock.ts";
import type { TroupeError } from "../errors/troupe-error.ts";
import type { SpawnOptions } from "./actor-system-options.ts";
import type {
  ActorRef,
  AnyActorRef,
  Down,
  DownReason,
  GroupChange,
  ItemOf,
  LogLevel,
  MessageOf,
  Messenger,
  Protocol,
  Registry,
  ReplyOf,
  Watch,
} from "./actor-types.ts";

/**
 * What an actor may do besides handling messages. Valid until `onStop` has returned.
 *
 * The one a handler is given belongs to the message as well: asks through it never outlive the ask being handled, and
 * everything sent through it belongs to its trace. The one of `init` belongs to no message.
 *
 * @example
 * ```ts
 * handlers: {
 *   report(state, _message, ctx) {
 *     ctx.tell(meter, "add", state.total);
 *   },
 * },
 * ```
 */
export interface ActorContext<P extends Protocol = Protocol, State = unknown> extends Messenger, Registry {
  readonly self: ActorRef<P>;
  /** 1 at the first start, one more at each restart. */
  readonly incarnation: number;
  /**
   * The W3C trace of the message being handled, which what is sent through this context inherits; null when nobody
   * traces, and in `init`, timers and `onDown`.
   */
  readonly traceparent: string | null;
  /** The system's clock; on a thread host always the real one. */
  readonly clock: Clock;
  /**
   * True once this actor has been asked to stop. One read of shared memory, so a long computation can look between its
   * layers; it should then return soon, its result no longer matters.
   */
  stopRequested(): boolean;
  /** Calls `onDown` once, when the present incarnation of `ref` is no more (at once if there is none). */
  watch(ref: AnyActorRef): Watch;
  /**
   * Starts an actor whose life is tied to this one's: it is stopped when this incarnation has ended, for whatever
   * reason, and before the next one starts. Works on every host; from a thread of its own an actor spawns modules only
   * (URLs), with arguments that can be cloned. The children of one actor are supervised one-for-one with the default
   * intensity; when that is spent, this actor crashes with `restart_budget_spent`.
   *
   * @throws TroupeError as `system.spawn`; `actor_down` when this actor is ending.
   * @example
   * ```ts
   * const worker = await ctx.spawn<WorkerProtocol>(new URL("./worker-actor.ts", import.meta.url), {
   *   host: "thread",
   *   args: { shard: 3 },
   * });
   * ```
   */
  spawn<Q extends Protocol, Args, S>(
    definition: ActorDefinition<Q, Args, S>,
    options: SpawnOptions<Args>,
  ): Promise<ActorRef<Q>>;
  spawn<Q extends Protocol>(module: URL, options: SpawnOptions<unknown>): Promise<ActorRef<Q>>;
  /**
   * Ends a child that this actor spawned, for good.
   *
   * @throws TroupeError `actor_not_found`; `deadline_exceeded` when it did not park and was abandoned.
   */
  stopChild(ref: AnyActorRef): Promise<void>;
  /**
   * Has an actor treated as crashed: it is stopped as any other, between two handlers and never by force, and its
   * supervisor decides. For actors that watch over others, as in a step that hangs.
   *
   * @throws TroupeError `actor_not_found` when nothing runs under that name.
   */
  fail(ref: AnyActorRef, error: TroupeError): Promise<void>;
  /**
   * Makes this actor a member of a group for as long as it runs, from the end of its init on; a restarted one joins
   * again in its own init. Idempotent. Every thread sees the members in the same order.
   *
   * @example
   * ```ts
   * init: (ctx, args) => {
   *   ctx.join("shards");
   *   return openShard(args);
   * },
   * ```
   */
  join(group: string): void;
  /** Ends a membership early. */
  leave(group: string): void;
  /** Calls `callback` in this actor's turn at every change of a group's members, until it is cancelled. */
  watchGroup(group: string, callback: (state: State, change: GroupChange) => void | Promise<void>): Watch;
  /** Runs `callback` once in this actor's turn, unless the actor has ended. A throw is a crash. */
  after(delayMs: number, callback: (state: State) => void | Promise<void>): Timer;
  /** Runs `callback` again and again; the next wait begins when the callback has ended, so calls never pile up. */
  every(intervalMs: number, callback: (state: State) => void | Promise<void>): Timer;
  /** Ends this actor normally after the handlers that run now; waiting messages become dead letters. */
  stop(): void;
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * The ask or stream that a handler is working on.
 *
 * @example
 * ```ts
 * handlers: {
 *   fetch: (_state, url, _ctx, call) => download(url, { signal: call.signal }),
 * },
 * ```
 */
export interface Call {
  /** Aborts when the caller cancelled, met its deadline or is gone, and when this actor stops. Made on first use. */
  readonly signal: AbortSignal;
  /** Until an ask's caller gives up; null for a stream, and once the ask is answered. Nested asks inherit it. */
  remainingMs(): number | null;
  /** Moves these with the reply, or with the next item, instead of copying them. */
  transfer(transferables: readonly Transferable[]): void;
}

/** The handler that a kind of message needs. */
export type Handler<P extends Protocol, K extends keyof P, State> = P[K] extends { readonly item: unknown }
  ? (
      state: State,
      message: MessageOf<P, K>,
      ctx: ActorContext<P, State>,
      call: Call,
    ) => AsyncIterable<ItemOf<P, K>>
  : P[K] extends { readonly reply: unknown }
    ? (
        state: State,
        message: MessageOf<P, K>,
        ctx: ActorContext<P, State>,
        call: Call,
      ) => ReplyOf<P, K> | Promise<ReplyOf<P, K>>
    : (state: State, message: MessageOf<P, K>, ctx: ActorContext<P, State>) => void | Promise<void>;

/** A handler for every kind of `P`. */
export type Handlers<P extends Protocol, State> = { readonly [K in keyof P]: Handler<P, K, State> };

/**
 * An actor.
 *
 * Tells and asks are handled one after the other; the next waits for an async handler, unless `concurrency` allows
 * more. A stream handler is called in turn too, but its items are then pumped beside other messages: code between two
 * `await`s is never interrupted, everything else may interleave.
 *
 * When a handler throws: a TroupeError from an ask or a stream (other than `internal`) is the answer, and the actor
 * lives; anything else is a crash: `onStop` runs, the actor is down, its supervisor decides.
 *
 * @example
 * ```ts
 * const echo: ActorDefinition<EchoProtocol, null, null> = {
 *   init: () => null,
 *   handlers: { echo: (_state, message) => message },
 * };
 * ```
 */
export interface ActorDefinition<P extends Protocol, Args, State> {
  /** Makes the state. The actor counts as started when it has returned; throwing fails the start. */
  readonly init: (ctx: ActorContext<P, State>, args: Args) => State | Promise<State>;
  readonly handlers: Handlers<P, State>;
  /** Called in turn for each Down of a watched actor. */
  readonly onDown?: (state: State, down: Down, ctx: ActorContext<P, State>) => void | Promise<void>;
  /** Releases what the state holds; called once, also after a crash, never when init failed. */
  readonly onStop?: (state: State, reason: DownReason, ctx: ActorContext<P, State>) => void | Promise<void>;
  /** Handlers that may run at the same time (async ones interleave at their awaits). Default 1. */
  readonly concurrency?: number;
}

/** A definition whose types are not known here, as when it was loaded by URL. */
export interface AnyActorDefinition {
  // The members' parameters are checked where the definition is written; here they only pass through.
  readonly init: (ctx: never, args: never) => unknown;
  readonly handlers: {
    readonly [kind: string]: (state: never, message: never, ctx: never, call: never) => unknown;
  };
  readonly onDown?: (state: never, down: Down, ctx: never) => unknown;
  readonly onStop?: (state: never, reason: DownReason, ctx: never) => unknown;
  readonly concurrency?: number;
}

/**
 * Defines an actor; an actor's module has the definition as its default export.
 *
 * @example
 * ```ts
 * export type CounterProtocol = { add: { message: number }; total: { message: null; reply: number } };
 *
 * export default defineActor<CounterProtocol, { start: number }, { total: number }>({
 *   init: (_ctx, args) => ({ total: args.start }),
 *   handlers: {
 *     add: (state, amount) => void (state.total += amount),
 *     total: (state) => state.total,
 *   },
 * });
 * ```
 */
export function defineActor<P extends Protocol, Args, State>(
  definition: ActorDefinition<P, Args, State>,
): ActorDefinition<P, Args, State> {
  return definition;
}
