/** Supervision as data: who is started in which order, and what happens when one of them goes down. */
import type { AnyActorDefinition } from "./actor-definition.ts";

/**
 * `permanent`: always restarted. `transient`: only after a crash. `temporary`: never.
 *
 * @example
 * ```ts
 * await system.spawn(job, { args: null, restart: "temporary" });
 * ```
 */
export type RestartKind = "permanent" | "transient" | "temporary";

/**
 * Limits of a mailbox; messages that wait or are on the way count, the ones being handled do not.
 *
 * @example
 * ```ts
 * await system.spawn(meter, { args: null, mailbox: { maxMessages: 100, maxBytes: 2 ** 20 } });
 * ```
 */
export interface MailboxSpec {
  /** Default 1024. */
  readonly maxMessages?: number;
  /** Estimated, see `estimateBytes`. Default 64 MiB; at most 1 GiB. */
  readonly maxBytes?: number;
}

/**
 * One actor under a supervisor.
 *
 * @example
 * ```ts
 * const spec: ActorSpec = { name: "meter", module: new URL("./meter-actor.ts", import.meta.url), host: "thread" };
 * ```
 */
export interface ActorSpec {
  readonly kind?: "actor";
  /** Unique in the system; `actorRef(name)` reaches it. */
  readonly name: string;
  /** A URL whose module's default export is a definition, or, on the inline host, the definition itself. */
  readonly module: URL | AnyActorDefinition;
  /**
   * Handed to `init`, by structured clone on the thread host. A function is called at every start and restart, so that
   * a new incarnation can be given fresh shared buffers.
   */
  readonly args?: unknown | ((incarnation: number) => unknown);
  /** A host of the system: `inline` (default; the system's own thread) or `thread` (a thread of its own). */
  readonly host?: string;
  readonly mailbox?: MailboxSpec;
  /** Default `permanent`. */
  readonly restart?: RestartKind;
  /** Init must be done by then. Default 600 000: it may compile or load a model. */
  readonly initTimeoutMs?: number;
  /** After this time a stop that is still under way is reported; it goes on waiting. Default 10 000. */
  readonly stopTimeoutMs?: number;
}

/**
 * What a supervisor supervises.
 *
 * @example
 * ```ts
 * const children: ChildSpec[] = [meter, { kind: "supervisor", name: "io", strategy: "one-for-one", children: [] }];
 * ```
 */
export type ChildSpec = ActorSpec | SupervisorSpec;

/**
 * `one-for-one`: only the one that went down. `one-for-all`: all children. `rest-for-one`: it and those after it.
 *
 * @example
 * ```ts
 * const strategy: SupervisionStrategy = "rest-for-one";
 * ```
 */
export type SupervisionStrategy = "one-for-one" | "one-for-all" | "rest-for-one";

/**
 * Restarts a supervisor may do before it gives up.
 *
 * @example
 * ```ts
 * const intensity: RestartIntensity = { maxRestarts: 3, windowMs: 60_000 };
 * ```
 */
export interface RestartIntensity {
  /** One restart more than this within `windowMs` and the supervisor gives up. Default 3. */
  readonly maxRestarts: number;
  /** Default 60 000. */
  readonly windowMs: number;
}

/**
 * How long to wait before a restart: `minMs` doubled for each restart in the window, at most `maxMs`.
 *
 * @example
 * ```ts
 * const backoff: RestartBackoff = { minMs: 10, maxMs: 2_000, jitter: 0.2 };
 * ```
 */
export interface RestartBackoff {
  readonly minMs: number;
  readonly maxMs: number;
  /** 0 to 1: this part of the delay is random. */
  readonly jitter: number;
}

/**
 * A supervisor. Children start in order, each after its predecessor's init (unless `start` says otherwise), and stop in
 * reverse order.
 *
 * @example
 * ```ts
 * const engine: SupervisorSpec = {
 *   kind: "supervisor",
 *   name: "engine",
 *   strategy: "rest-for-one",
 *   children: [
 *     { name: "scheduler", module: new URL("./scheduler-actor.ts", import.meta.url), host: "thread" },
 *     { name: "agent-0", module: new URL("./model-agent.ts", import.meta.url), host: "thread", args: freshBuffers },
 *   ],
 * };
 * ```
 */
export interface SupervisorSpec {
  readonly kind: "supervisor";
  /** Unique in the system. */
  readonly name: string;
  readonly strategy: SupervisionStrategy;
  readonly intensity?: RestartIntensity;
  readonly backoff?: RestartBackoff;
  readonly children: readonly ChildSpec[];
  /**
   * `in-order` (default): each child after its predecessor's init. `together`: all at once, also in a restart of the
   * group, for children whose inits take long. Their names are known before any init runs, so one that needs another
   * asks it, and is answered when that one's init is done.
   */
  readonly start?: "in-order" | "together";
  /** What its own supervisor does when this one gave up. Default `permanent`. */
  readonly restart?: RestartKind;
}
