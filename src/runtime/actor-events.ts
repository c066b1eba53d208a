/** What happens in an actor system, as its owner sees it: events and the result of `inspect()`. */
import type { TroupeError } from "../errors/troupe-error.ts";
import type { Down } from "./actor-types.ts";

/** Why a message was not handled. */
export const DEAD_LETTER_REASONS = [
  "mailbox-full",
  "actor-down",
  "actor-not-found",
  "actor-stopping",
  "no-handler",
] as const;

/**
 * One of {@link DEAD_LETTER_REASONS}.
 *
 * @example
 * ```ts
 * console.log(system.inspect().numDeadLetters["mailbox-full"]);
 * ```
 */
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/**
 * Events of `system.events`, each with its one argument.
 *
 * @example
 * ```ts
 * system.events.on("restarting", ({ supervisor, delayMs }) => console.log(supervisor, delayMs));
 * ```
 */
export interface SystemEvents {
  /** An actor's init is done. */
  readonly started: { readonly actor: string; readonly incarnation: number };
  /** An incarnation is no more. */
  readonly down: Down;
  /** A supervisor decided to restart these, in start order, after `delayMs`. */
  readonly restarting: {
    readonly supervisor: string;
    readonly children: readonly string[];
    readonly delayMs: number;
  };
  readonly restarted: { readonly supervisor: string; readonly children: readonly string[] };
  /** A supervisor gave up and stopped its children. */
  readonly escalated: { readonly supervisor: string; readonly error: TroupeError };
  /** The top supervisor gave up: nothing runs any more. `restart_budget_spent`, with what led to it as the cause. */
  readonly failed: { readonly error: TroupeError };
  /** Another actor, or the system's owner, had it treated as crashed; it is being stopped. */
  readonly failing: { readonly actor: string; readonly error: TroupeError };
  /** An actor was asked to stop and has not parked yet: it may be inside native code, which is never interrupted. */
  readonly "stop-late": { readonly actor: string; readonly waitedMs: number };
  /** An actor did not park before the hard limit; its thread was left alone, without a handle on the process. */
  readonly abandoned: { readonly actor: string; readonly error: TroupeError };
  /** Everything is stopped. */
  readonly stopped: Readonly<Record<never, never>>;
  /** Messages that nobody handled; several of one kind may be reported at once. */
  readonly "dead-letter": {
    readonly actor: string;
    readonly kind: string;
    readonly reason: DeadLetterReason;
    readonly count: number;
  };
}

/** State of an actor. */
export type ActorState = "starting" | "running" | "stopping" | "down" | "abandoned";

/**
 * One actor in a {@link SystemInspection}.
 *
 * @example
 * ```ts
 * for (const { name, state, mailbox } of system.inspect().actors) console.log(name, state, mailbox.numMessages);
 * ```
 */
export interface ActorInspection {
  readonly name: string;
  readonly supervisor: string;
  readonly host: string;
  readonly state: ActorState;
  readonly incarnation: number;
  readonly numRestarts: number;
  readonly mailbox: {
    readonly numMessages: number;
    readonly numBytes: number;
    readonly maxMessages: number;
    readonly maxBytes: number;
  };
  /** Messages handled by this incarnation. */
  readonly numHandled: number;
  /** Handlers running now. */
  readonly numActive: number;
  /** Time this incarnation spent with at least one handler running, awaits included. */
  readonly busyMs: number;
}

/**
 * A look at the system; reading it disturbs no actor.
 *
 * @example
 * ```ts
 * const { state, numPendingCalls } = system.inspect();
 * ```
 */
export interface SystemInspection {
  readonly state: "starting" | "running" | "failed" | "stopping" | "stopped";
  readonly actors: readonly ActorInspection[];
  readonly numDeadLetters: Readonly<Record<DeadLetterReason, number>>;
  /** Asks and streams of the system's own thread that have not settled. */
  readonly numPendingCalls: number;
}
