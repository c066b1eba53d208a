/**
 * What every part of the actor runtime speaks about: protocols, references, why an actor went down, how it is called.
 * Types only; the runtime knows nothing of what the messages mean.
 */
import type { Transferable } from "node:worker_threads";
import type { TroupeError } from "../errors/troupe-error.ts";

/** One kind of message: `reply` makes it an ask, `item` a stream, neither a tell. */
export interface MessageSpec {
  readonly message: unknown;
  readonly reply?: unknown;
  readonly item?: unknown;
}

/**
 * The kinds of messages an actor understands. Write protocols as `type`, not `interface` (an interface has no index
 * signature). Everything in them must survive structured clone.
 *
 * @example
 * ```ts
 * type CounterProtocol = {
 *   add: { message: number };                          // tell
 *   total: { message: null; reply: number };           // ask
 *   follow: { message: { from: number }; item: number }; // stream
 * };
 * ```
 */
export type Protocol = { readonly [kind: string]: MessageSpec };

/** Kinds of `P` that are streamed. */
export type StreamKind<P extends Protocol> = {
  [K in keyof P]: P[K] extends { readonly item: unknown } ? K : never;
}[keyof P] &
  string;

/** Kinds of `P` that are asked. */
export type AskKind<P extends Protocol> = {
  [K in keyof P]: P[K] extends { readonly item: unknown }
    ? never
    : P[K] extends { readonly reply: unknown }
      ? K
      : never;
}[keyof P] &
  string;

/** Kinds of `P` that are told. */
export type TellKind<P extends Protocol> = Exclude<keyof P & string, AskKind<P> | StreamKind<P>>;

/** What a message of kind `K` carries. */
export type MessageOf<P extends Protocol, K extends keyof P> = P[K]["message"];

/** What an ask of kind `K` is answered with. */
export type ReplyOf<P extends Protocol, K extends keyof P> = P[K] extends { readonly reply: infer R }
  ? R
  : never;

/** What a stream of kind `K` yields. */
export type ItemOf<P extends Protocol, K extends keyof P> = P[K] extends { readonly item: infer I }
  ? I
  : never;

declare const protocolOfRef: unique symbol;

/**
 * Names an actor. Plain data: it can be sent in any message, written as JSON, made before the actor is started, and it
 * outlives restarts. It holds no resource.
 *
 * @example
 * ```ts
 * const ref: ActorRef<CounterProtocol> = { actor: "counter" };
 * ```
 */
export interface ActorRef<P extends Protocol> {
  readonly actor: string;
  /** Only in the type system: keeps references of different protocols apart. */
  readonly [protocolOfRef]?: (protocol: P) => P;
}

/**
 * A reference whose protocol does not matter.
 *
 * @example
 * ```ts
 * await system.stop({ actor: "counter" });
 * ```
 */
export interface AnyActorRef {
  readonly actor: string;
}

/**
 * The reference of the actor of that name, started or not.
 *
 * @example
 * ```ts
 * const scheduler = actorRef<SchedulerProtocol>("scheduler");
 * ```
 */
export function actorRef<P extends Protocol>(name: string): ActorRef<P> {
  return { actor: name };
}

/**
 * Why an incarnation of an actor is no more.
 *
 * @example
 * ```ts
 * if (reason.kind === "crash") console.error(reason.error.code);
 * ```
 */
export type DownReason =
  /** It ended itself (`ctx.stop()`). */
  | { readonly kind: "normal" }
  /** Its supervisor stopped it, for good or to restart it. */
  | { readonly kind: "stopped" }
  /** The system is being shut down. */
  | { readonly kind: "shutdown" }
  /** Its init, a handler or its thread failed. */
  | { readonly kind: "crash"; readonly error: TroupeError }
  /** There was no such actor, or it was already down, when the watch began. */
  | { readonly kind: "not-running" };

/**
 * The one notice that a watch gives.
 *
 * @example
 * ```ts
 * system.watch(counter, ({ ref, incarnation, reason }) => console.log(ref.actor, incarnation, reason.kind));
 * ```
 */
export interface Down {
  readonly ref: AnyActorRef;
  /** Counts from 1; 0 when the actor was not running. */
  readonly incarnation: number;
  readonly reason: DownReason;
}

/**
 * Options of `tell`.
 *
 * @example
 * ```ts
 * system.tell(sink, "frame", pixels, { transfer: [pixels.buffer] });
 * ```
 */
export interface TellOptions {
  /** Moved instead of copied when the receiver lives on another thread; on the same thread messages go by reference. */
  readonly transfer?: readonly Transferable[];
  /**
   * The W3C trace that the message belongs to; one that is malformed counts as none. Default: that of the message whose
   * handler sends this one.
   */
  readonly traceparent?: string;
}

/**
 * Options of `ask`.
 *
 * @example
 * ```ts
 * await system.ask(counter, "total", null, { deadlineMs: 500, signal: request.signal });
 * ```
 */
export interface AskOptions extends TellOptions {
  /**
   * The ask fails with `deadline_exceeded` after this time. Default 30 000. Asked through the context of an ask's
   * handler, it fails no later than that ask does.
   */
  readonly deadlineMs?: number;
  /** Aborting fails the ask with `cancelled` and tells the receiver, whose `call.signal` aborts. */
  readonly signal?: AbortSignal;
}

/**
 * Options of `stream`.
 *
 * @example
 * ```ts
 * for await (const n of system.stream(counter, "follow", { from: 1 }, { window: 64 })) console.log(n);
 * ```
 */
export interface StreamOptions extends TellOptions {
  /** Items that may be on the way or waiting unread; the producer pauses beyond. Default 16. */
  readonly window?: number;
  /** Aborting ends the stream with `cancelled` and cancels the producer. */
  readonly signal?: AbortSignal;
}

/**
 * Sends messages; an actor's context and the system itself are one.
 *
 * A sender's messages to one actor arrive in the order they were sent. Messages are given away: change nothing in them
 * after sending, a receiver on the same thread sees the same object.
 *
 * @example
 * ```ts
 * function greet(messenger: Messenger, ref: ActorRef<GreeterProtocol>): boolean {
 *   return messenger.tell(ref, "hello", null);
 * }
 * ```
 */
export interface Messenger {
  /**
   * Sends and forgets. False when it was not accepted: mailbox full, actor down or unknown; it is then counted as a
   * dead letter. True promises delivery only while the incarnation lives.
   *
   * @example
   * ```ts
   * if (!ctx.tell(meter, "add", 1)) numDropped++;
   * ```
   */
  tell<P extends Protocol, K extends TellKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: TellOptions,
  ): boolean;
  /**
   * Asks and always settles.
   *
   * @throws TroupeError `mailbox_full`, `actor_not_found`, `actor_down`, `deadline_exceeded`, `cancelled`, `no_handler`,
   * `system_stopped`, or whatever coded error the handler threw.
   * @example
   * ```ts
   * const total = await system.ask(counter, "total", null, { deadlineMs: 1000 });
   * ```
   */
  ask<P extends Protocol, K extends AskKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: AskOptions,
  ): Promise<ReplyOf<P, K>>;
  /**
   * Opens a stream when iteration begins; each iteration is a stream of its own. Leaving the loop cancels the producer.
   *
   * @throws TroupeError from the iterator: as `ask`, and `stream_broken` when the producer died or an item got lost.
   * @example
   * ```ts
   * for await (const value of system.stream(counter, "follow", { from: 3 }, { window: 8 })) {
   *   if (value > 10) break;
   * }
   * ```
   */
  stream<P extends Protocol, K extends StreamKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: StreamOptions,
  ): AsyncIterable<ItemOf<P, K>>;
}

/**
 * A change of a group's members.
 *
 * @example
 * ```ts
 * ctx.watchGroup("shards", (state, { kind, ref }) => void state.log.push(`${ref.actor} ${kind}`));
 * ```
 */
export interface GroupChange {
  readonly group: string;
  readonly kind: "joined" | "left";
  readonly ref: AnyActorRef;
  /** All members after the change, in the order they joined. */
  readonly members: readonly AnyActorRef[];
}

/**
 * Who runs under which name and in which group, as far as this thread has heard.
 *
 * @example
 * ```ts
 * const [first] = system.members<ShardProtocol>("shards");
 * ```
 */
export interface Registry {
  /**
   * The reference of the actor that runs under that name; null when none does.
   *
   * @example
   * ```ts
   * const meter = ctx.lookup<MeterProtocol>("meter");
   * if (meter !== null) ctx.tell(meter, "add", 1);
   * ```
   */
  lookup<P extends Protocol>(name: string): ActorRef<P> | null;
  /**
   * The running actors that joined a group, in the order they joined.
   *
   * @example
   * ```ts
   * for (const shard of ctx.members<ShardProtocol>("shards")) ctx.tell(shard, "flush", null);
   * ```
   */
  members<P extends Protocol>(group: string): readonly ActorRef<P>[];
}

/**
 * Ends a watch without a Down; idempotent.
 *
 * @example
 * ```ts
 * const watch = ctx.watch(counter);
 * watch.cancel();
 * ```
 */
export interface Watch {
  cancel(): void;
}

/**
 * How bad a log record is.
 *
 * @example
 * ```ts
 * ctx.log("warn", "The queue grows.", { numWaiting });
 * ```
 */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * What actors and the runtime log; the owner of the system decides where it goes.
 *
 * @example
 * ```ts
 * const log: LogSink = ({ level, actor, message, fields }) => console.error(level, actor, message, fields);
 * ```
 */
export interface LogRecord {
  readonly level: LogLevel;
  /** The actor's name, or `system`. */
  readonly actor: string;
  readonly message: string;
  /** Plain data. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Takes log records. Must not throw.
 *
 * @example
 * ```ts
 * const system = createActorSystem({ log: (record) => console.error(record.actor, record.message) });
 * ```
 */
export type LogSink = (record: LogRecord) => void;
