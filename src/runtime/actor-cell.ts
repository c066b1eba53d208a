/**
 * One incarnation of an actor on its own thread, from init to the end. Knows nothing of threads, supervisors or other
 * actors.
 *
 *   starting ──init──► running ──stop or crash──► ending ──handlers done──► releasing ──onStop──► ended
 */
import type { Clock } from "../core/clock.ts";
import { type TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import { CellContext, type ContextHost } from "./actor-context.ts";
import type { DeadLetterReason } from "./actor-events.ts";
import { ActorTurns, type ErasedDefinition, type Task } from "./actor-turns.ts";
import type {
  ActorRef,
  AnyActorRef,
  Down,
  DownReason,
  GroupChange,
  LogLevel,
  Messenger,
  Protocol,
  Registry,
  Watch,
} from "./actor-types.ts";
import type { CallScope } from "./call-scope.ts";
import { downError } from "./down-reason.ts";
import type { RequestEnvelope } from "./envelope.ts";
import type { Peer } from "./inbound-call.ts";
import type { RunQueue } from "./run-queue.ts";
import type { SharedMailbox } from "./shared-mailbox.ts";
import type { SystemRequest } from "./system-requests.ts";

/** What a cell needs of its thread. */
export interface CellHome extends Registry {
  readonly clock: Clock;
  readonly runQueue: RunQueue;
  messengerWithin(scope: CallScope): Messenger;
  /** Asks the system's thread on behalf of the actor at `address`. */
  request(address: number, request: SystemRequest): Promise<void>;
  setMember(group: string, address: number, isMember: boolean): void;
  watchGroup(group: string, onChange: (change: GroupChange) => void): Watch;
  watch(ref: AnyActorRef, onDown: (down: Down) => void): Watch;
  deadLetter(actor: string, kind: string, reason: DeadLetterReason): void;
  log(level: LogLevel, actor: string, message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Which incarnation a cell is. */
export interface CellIdentity {
  readonly name: string;
  readonly incarnation: number;
  readonly address: number;
  readonly mailbox: SharedMailbox;
}

/** How long handlers that are suspended when their actor crashes may take to come to an end. */
const CRASH_GRACE_MS = 5_000;

type Phase = "starting" | "running" | "ending" | "releasing" | "ended";

export class ActorCell implements ContextHost {
  readonly name: string;
  readonly incarnation: number;
  readonly clock: Clock;
  /** Resolves when nothing of this incarnation runs any more; never rejects. */
  readonly ended: Promise<DownReason>;
  readonly #definition: ErasedDefinition;
  readonly #home: CellHome;
  readonly #mailbox: SharedMailbox;
  readonly #context: CellContext;
  readonly #turns: ActorTurns;
  readonly #cleanups = new Set<() => void>();
  readonly #address: number;
  /** Joined while init runs; announced when it is done. */
  readonly #joins = new Set<string>();
  #numChildren = 0;
  #phase: Phase = "starting";
  #made: { readonly state: unknown } | null = null;
  #reason: DownReason = { kind: "normal" };
  #rejectStart: ((error: TroupeError) => void) | null = null;
  #resolveEnded!: (reason: DownReason) => void;

  constructor(definition: ErasedDefinition, identity: CellIdentity, home: CellHome) {
    this.name = identity.name;
    this.incarnation = identity.incarnation;
    this.clock = home.clock;
    this.#address = identity.address;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#definition = definition;
    this.#home = home;
    this.#mailbox = identity.mailbox;
    this.#context = new CellContext(this);
    this.#turns = new ActorTurns({
      name: this.name,
      incarnation: this.incarnation,
      clock: this.clock,
      definition,
      mailbox: this.#mailbox,
      runQueue: home.runQueue,
      context: this.#context,
      contextWithin: (scope) => new CellContext(this, scope),
      deadLetter: (kind, reason) => home.deadLetter(this.name, kind, reason),
      onCrash: (thrown) => this.crash(thrown),
      onIdle: () => this.#onIdle(),
    });
  }

  /**
   * Runs init and begins to handle messages.
   *
   * @throws what init threw, or why the actor was stopped before it was done.
   */
  start(args: unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#rejectStart = reject;
      this.#init(args).then(resolve, reject);
    });
  }

  async #init(args: unknown): Promise<void> {
    this.#turns.begin();
    try {
      this.#made = { state: await this.#definition.init(this.#context, args) };
    } catch (error) {
      this.#end({ kind: "crash", error: toTroupeError(error) });
      throw error;
    } finally {
      if (this.#phase === "starting") {
        this.#phase = "running";
        for (const group of this.#joins) this.#home.setMember(group, this.#address, true);
        this.#turns.open(this.#made?.state);
      }
      this.#turns.finish();
    }
    if (this.#phase !== "running") throw this.#downError();
    this.#rejectStart = null;
  }

  /** A message from `peer` has arrived; its room in the mailbox is already reserved. */
  accept(envelope: RequestEnvelope, peer: Peer): void {
    this.#turns.accept(envelope, peer);
  }

  runTask(task: Task): void {
    this.#turns.runTask(task);
  }

  /** Ends the actor after the handlers that run now. Idempotent; the first reason counts. */
  stop(reason: DownReason = { kind: "normal" }): void {
    this.#end(reason);
  }

  /**
   * Ends the actor and fails its callers at once. Handlers that still run get a short while to see it: one of them may
   * be about to enter native code, and Down means that nothing runs any more.
   */
  crash(thrown: unknown): void {
    const error = toTroupeError(thrown);
    const wasAlive = this.#phase === "starting" || this.#phase === "running";
    if (!wasAlive) {
      this.log("error", "Failed while it was being ended.", { code: error.code, error: error.message });
    }
    this.#end({ kind: "crash", error });
    this.#turns.failActive(this.#downError());
    this.#rejectStart?.(error);
    // One that was being stopped already has its supervisor's patience.
    if (wasAlive && this.#phase === "ending") {
      const timer = this.clock.schedule(CRASH_GRACE_MS, () => void this.#release());
      this.#cleanups.add(() => timer.cancel());
    }
  }

  messengerWithin(scope: CallScope): Messenger {
    return this.#home.messengerWithin(scope);
  }

  lookup<P extends Protocol>(name: string): ActorRef<P> | null {
    return this.#home.lookup(name);
  }

  members<P extends Protocol>(group: string): readonly ActorRef<P>[] {
    return this.#home.members(group);
  }

  nextChildName(): string {
    return `${this.name}/${++this.#numChildren}`;
  }

  request(request: SystemRequest): Promise<void> {
    return this.#home.request(this.#address, request);
  }

  setMember(group: string, isMember: boolean): void {
    if (this.#phase === "running") this.#home.setMember(group, this.#address, isMember);
    else if (this.#phase === "starting" && isMember) this.#joins.add(group);
    else this.#joins.delete(group);
  }

  watchGroup(group: string, onChange: (change: GroupChange) => void): Watch {
    return this.#tied(this.#home.watchGroup(group, onChange));
  }

  isStopRequested(): boolean {
    return this.#mailbox.isStopRequested;
  }

  watch(ref: AnyActorRef): Watch {
    const watch = this.#tied(
      this.#home.watch(ref, (down) => {
        watch.cancel();
        this.runTask((state) => this.#definition.onDown?.(state, down, this.#context));
      }),
    );
    return watch;
  }

  /** Ends with the actor. */
  #tied(watch: Watch): Watch {
    const life = this.onEnd(() => watch.cancel());
    return {
      cancel: () => {
        life.forget();
        watch.cancel();
      },
    };
  }

  onEnd(cleanup: () => void): { forget(): void } {
    this.#cleanups.add(cleanup);
    return { forget: () => void this.#cleanups.delete(cleanup) };
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#home.log(level, this.name, message, fields);
  }

  #end(reason: DownReason): void {
    if (this.#phase !== "starting" && this.#phase !== "running") return;
    this.#phase = "ending";
    this.#reason = reason;
    this.#mailbox.requestStop();
    this.#cleanUp();
    this.#turns.close(this.#downError());
    if (this.#turns.numActive === 0) void this.#release();
  }

  #cleanUp(): void {
    for (const cleanup of this.#cleanups) cleanup();
    this.#cleanups.clear();
  }

  #onIdle(): void {
    if (this.#phase === "ending") void this.#release();
  }

  async #release(): Promise<void> {
    if (this.#phase !== "ending") return;
    this.#phase = "releasing";
    this.#cleanUp();
    try {
      if (this.#made !== null) await this.#definition.onStop?.(this.#made.state, this.#reason, this.#context);
    } catch (error) {
      this.log("error", "onStop failed.", { error: toTroupeError(error).message });
    }
    this.#phase = "ended";
    this.#resolveEnded(this.#reason);
  }

  #downError(): TroupeError {
    return downError(this.name, this.#reason);
  }
}
