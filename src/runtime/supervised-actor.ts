/**
 * One actor under a supervisor, on the system's thread: starts its incarnations on a host, tells everybody when one is
 * up or down, and ends them without ever forcing one.
 */
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { ActorInspection } from "./actor-events.ts";
import type { DownReason } from "./actor-types.ts";
import { downError } from "./down-reason.ts";
import type { DirectoryEntry } from "./envelope.ts";
import type { HostedActor } from "./host.ts";
import { Offspring } from "./offspring.ts";
import { SharedMailbox } from "./shared-mailbox.ts";
import type { DownListener, Supervised, SupervisedState, SystemCore } from "./supervised.ts";
import type { ChildFactory } from "./supervisor.ts";
import type { ActorSpec, RestartKind } from "./supervisor-spec.ts";

const DEFAULT_INIT_TIMEOUT_MS = 600_000;
const DEFAULT_STOP_TIMEOUT_MS = 10_000;

/** One incarnation. */
interface Run {
  readonly hosted: HostedActor;
  readonly entry: DirectoryEntry;
  readonly mailbox: SharedMailbox;
  /** Set once it is over, or given up. */
  down: DownReason | null;
  /** Set once it was asked to end. */
  stopping: Promise<void> | null;
  stopReason: DownReason | null;
  /** What it spawned. */
  offspring: Offspring | null;
  /** Settles when it and its offspring are no more; rejects when one of those was abandoned. */
  over: Promise<void>;
}

export class SupervisedActor implements Supervised {
  readonly name: string;
  readonly restart: RestartKind;
  readonly #spec: ActorSpec;
  readonly #supervisor: string;
  readonly #core: SystemCore;
  readonly #onDown: DownListener;
  readonly #makeChild: ChildFactory;
  #state: SupervisedState = "idle";
  #incarnation = 0;
  #run: Run | null = null;

  constructor(
    spec: ActorSpec,
    supervisor: string,
    core: SystemCore,
    onDown: DownListener,
    makeChild: ChildFactory,
  ) {
    this.name = spec.name;
    this.restart = spec.restart ?? "permanent";
    this.#spec = spec;
    this.#supervisor = supervisor;
    this.#core = core;
    this.#onDown = onDown;
    this.#makeChild = makeChild;
  }

  get state(): SupervisedState {
    return this.#state;
  }

  /** Of the present incarnation; null when none is alive. */
  get address(): number | null {
    return this.#run === null || this.#run.down !== null ? null : this.#run.entry.address;
  }

  /** What the present incarnation spawned. */
  get children(): readonly Supervised[] {
    return this.#run?.offspring?.children ?? [];
  }

  /** @throws TroupeError `actor_init_failed`, or why it was stopped meanwhile. */
  async start(): Promise<void> {
    this.#state = "starting";
    let run: Run;
    try {
      run = this.#begin(++this.#incarnation);
    } catch (error) {
      this.#state = "down";
      throw this.#initError(error);
    }
    try {
      await this.#untilReady(run);
      // Its thread may have finished init before it heard of the stop.
      if (run.stopReason !== null) throw downError(this.name, run.stopReason);
    } catch (error) {
      await this.#end(run, { kind: "crash", error: toTroupeError(error) });
      throw this.#initError(error);
    }
    if (run.down === null) this.#state = "running";
    this.#core.emit("started", { actor: this.name, incarnation: this.#incarnation });
    // It went down between the end of its init and now.
    if (run.down !== null) this.#onDown(this, run.down);
  }

  #begin(incarnation: number): Run {
    const { module, args, host = "inline", mailbox: limits } = this.#spec;
    const mailbox = SharedMailbox.create(limits);
    const { node } = this.#core;
    const address = this.#core.nextAddress();
    const hosted = this.#core.host(host).start({
      name: this.name,
      incarnation,
      address,
      module,
      args: typeof args === "function" ? (args as (incarnation: number) => unknown)(incarnation) : args,
      mailbox,
      nextNodeId: () => this.#core.nextNodeId(),
      node,
    });
    const entry = { name: this.name, incarnation, address, nodeId: hosted.nodeId, mailbox: mailbox.share };
    const run: Run = {
      hosted,
      entry,
      mailbox,
      down: null,
      stopping: null,
      stopReason: null,
      offspring: null,
      over: Promise.resolve(),
    };
    this.#run = run;
    this.#core.announceUp(entry);
    run.over = hosted.ended.then((reason) => this.#onEnded(run, reason));
    // Whoever stops it sees a failure; one that ended by itself reports it below.
    run.over.catch(() => undefined);
    return run;
  }

  async #untilReady(run: Run): Promise<void> {
    const { initTimeoutMs = DEFAULT_INIT_TIMEOUT_MS } = this.#spec;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.#core.clock.schedule(initTimeoutMs, () => {
      reject(new TroupeError("deadline_exceeded", `The init of ${this.name} took over ${initTimeoutMs} ms.`));
    });
    try {
      await Promise.race([run.hosted.ready, late]);
    } finally {
      timer.cancel();
    }
  }

  #initError(error: unknown): TroupeError {
    const cause = toTroupeError(error);
    const isOwn = cause.code === "actor_init_failed" || cause.code === "system_stopped";
    if (isOwn) return cause;
    return new TroupeError("actor_init_failed", `${this.name} could not be started: ${cause.message}`, {
      cause,
      details: { actor: this.name },
    });
  }

  stop(reason: DownReason): Promise<void> {
    const run = this.#run;
    return run === null ? Promise.resolve() : this.#end(run, reason);
  }

  /**
   * Treats it as crashed: it is stopped as by its supervisor, which then hears of a crash.
   *
   * @returns false when it does not run, or is being stopped already.
   */
  fail(error: TroupeError): boolean {
    const run = this.#run;
    if (run === null || run.stopping !== null || this.#state !== "running") return false;
    const reason: DownReason = { kind: "crash", error };
    const notify = (): void => this.#onDown(this, run.down ?? reason);
    this.#core.log("error", this.name, "Is treated as failed.", { code: error.code, error: error.message });
    this.#core.emit("failing", { actor: this.name, error });
    this.#end(run, reason).then(notify, notify);
    return true;
  }

  /** @throws TroupeError as {@link Offspring.add}. */
  async spawnChild(spec: ActorSpec): Promise<void> {
    const run = this.#run;
    if (run === null || run.down !== null || run.stopping !== null) {
      this.#core.release(spec.name);
      throw new TroupeError("actor_down", `${this.name} is ending; it can spawn nothing.`);
    }
    run.offspring ??= new Offspring(this.name, this.#core, this.#makeChild, (error) => this.fail(error));
    await run.offspring.add(spec);
  }

  /** @throws TroupeError as {@link Offspring.stop}. */
  async stopChild(name: string): Promise<void> {
    const offspring = this.#run?.offspring;
    if (offspring === null || offspring === undefined) {
      throw new TroupeError("actor_not_found", `${this.name} has no child "${name}".`);
    }
    await offspring.stop(name);
  }

  #end(run: Run, reason: DownReason): Promise<void> {
    // What was abandoned may never be over.
    if (run.down !== null) return this.#state === "abandoned" ? Promise.resolve() : run.over;
    run.stopReason ??= reason;
    run.stopping ??= this.#park(run, reason);
    return run.stopping;
  }

  /** Asks, waits, reports, waits on, and at the very end lets go. Nothing is interrupted on the way. */
  async #park(run: Run, reason: DownReason): Promise<void> {
    const { stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS } = this.#spec;
    const { clock, abandonAfterMs } = this.#core;
    if (this.#state === "running") this.#state = "stopping";
    run.mailbox.requestStop();
    run.hosted.stop(reason);
    const { promise: gaveUp, resolve: giveUp } = Promise.withResolvers<"gave-up">();
    const late = clock.schedule(stopTimeoutMs, () => this.#reportLate(stopTimeoutMs));
    const last = clock.schedule(stopTimeoutMs + abandonAfterMs, () => giveUp("gave-up"));
    const outcome = await Promise.race([run.hosted.ended, gaveUp]);
    late.cancel();
    last.cancel();
    if (outcome === "gave-up") {
      const error = this.#abandon(run, stopTimeoutMs + abandonAfterMs);
      await run.offspring?.end(reason.kind === "shutdown").catch(() => undefined);
      throw error;
    }
    await run.over;
  }

  #reportLate(waitedMs: number): void {
    this.#core.log("warn", this.name, "Was asked to stop and has not parked; still waiting.", { waitedMs });
    this.#core.emit("stop-late", { actor: this.name, waitedMs });
  }

  #abandon(run: Run, waitedMs: number): TroupeError {
    const text = `${this.name} did not park within ${waitedMs} ms and was left alone: ending its thread by force could abort the process.`;
    const error = new TroupeError("deadline_exceeded", text, { details: { actor: this.name, waitedMs } });
    run.hosted.abandon();
    const isShutdown = run.stopReason?.kind === "shutdown";
    this.#settle(run, isShutdown ? { kind: "shutdown" } : { kind: "crash", error }, "abandoned");
    this.#core.log("error", this.name, error.message, { waitedMs });
    this.#core.emit("abandoned", { actor: this.name, error });
    return error;
  }

  #onEnded(run: Run, reason: DownReason): void | Promise<void> {
    if (run.down !== null) return;
    const wasRunning = this.#state === "running";
    this.#settle(run, reason, "down");
    const notify = (): void => {
      if (wasRunning) this.#onDown(this, reason);
    };
    if (run.offspring === null) {
      notify();
      return;
    }
    return run.offspring.end(reason.kind === "shutdown").then(notify, (error: unknown) => {
      this.#state = "abandoned";
      if (wasRunning) this.#onDown(this, { kind: "crash", error: toTroupeError(error) });
      throw error;
    });
  }

  #settle(run: Run, reason: DownReason, state: "down" | "abandoned"): void {
    run.down = reason;
    this.#state = state;
    this.#core.announceDown(run.entry, reason);
    const numLost = run.mailbox.numMessages;
    if (numLost > 0) this.#core.node.deadLetter(this.name, "*", "actor-down", numLost);
    this.#core.emit("down", { ref: { actor: this.name }, incarnation: run.entry.incarnation, reason });
  }

  inspect(): ActorInspection | null {
    const run = this.#run;
    if (run === null) return null;
    const { mailbox } = run;
    return {
      name: this.name,
      supervisor: this.#supervisor,
      host: this.#spec.host ?? "inline",
      state: this.#state === "idle" ? "down" : this.#state,
      incarnation: this.#incarnation,
      numRestarts: Math.max(0, this.#incarnation - 1),
      mailbox: {
        numMessages: run.down === null ? mailbox.numMessages : 0,
        numBytes: run.down === null ? mailbox.numBytes : 0,
        maxMessages: mailbox.share.maxMessages,
        maxBytes: mailbox.share.maxBytes,
      },
      numHandled: mailbox.numHandled,
      numActive: mailbox.numActive,
      busyMs: mailbox.busyMs,
    };
  }
}
