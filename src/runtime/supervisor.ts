/**
 * A supervisor as in OTP: starts its children in order, restarts what its strategy says when one goes down, and gives
 * up, stopping them all, when that happens too often.
 *
 * Starts and Downs are worked off one after the other; only a stop cuts in.
 */
import type { Timer } from "../core/clock.ts";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { DownReason } from "./actor-types.ts";
import {
  backoffDelayMs,
  DEFAULT_BACKOFF,
  DEFAULT_INTENSITY,
  RestartHistory,
  restartGroup,
  shouldRestart,
} from "./restart-policy.ts";
import type { DownListener, Supervised, SupervisedState, SystemCore } from "./supervised.ts";
import type { ChildSpec, RestartKind, SupervisorSpec } from "./supervisor-spec.ts";

/** Makes a child of its spec. */
export type ChildFactory = (spec: ChildSpec, supervisor: string, onDown: DownListener) => Supervised;

/** How one supervisor differs from others. */
export interface SupervisorOptions {
  /** A child that ended and is not restarted stays in its place, for a restart of the group. */
  readonly keepsEnded: boolean;
}

export class Supervisor implements Supervised {
  readonly name: string;
  readonly restart: RestartKind;
  readonly #spec: SupervisorSpec;
  readonly #core: SystemCore;
  readonly #onDown: DownListener;
  readonly #makeChild: ChildFactory;
  readonly #options: SupervisorOptions;
  /** As the spec has them; what was added later is only among the children. */
  readonly #ofSpec: readonly Supervised[];
  /** Those it looks after now. */
  readonly #children: Supervised[];
  /** Being stopped for good: not restarted, whatever their group does. */
  readonly #removing = new WeakSet<Supervised>();
  #state: SupervisedState = "idle";
  #history: RestartHistory;
  #work: Promise<void> = Promise.resolve();
  #stopping: DownReason | null = null;
  #endBackoff: (() => void) | null = null;

  constructor(
    spec: SupervisorSpec,
    core: SystemCore,
    onDown: DownListener,
    makeChild: ChildFactory,
    options: SupervisorOptions = { keepsEnded: true },
  ) {
    this.name = spec.name;
    this.restart = spec.restart ?? "permanent";
    this.#spec = spec;
    this.#core = core;
    this.#onDown = onDown;
    this.#makeChild = makeChild;
    this.#options = options;
    this.#history = this.#newHistory();
    this.#ofSpec = spec.children.map((child) => this.#childOf(child));
    this.#children = [...this.#ofSpec];
  }

  get state(): SupervisedState {
    return this.#state;
  }

  get children(): readonly Supervised[] {
    return this.#children;
  }

  #newHistory(): RestartHistory {
    return new RestartHistory(this.#spec.intensity ?? DEFAULT_INTENSITY);
  }

  #childOf(spec: ChildSpec): Supervised {
    return this.#makeChild(spec, this.name, (child, reason) => this.#expectDown(child, reason));
  }

  #expectDown(child: Supervised, reason: DownReason): void {
    this.#enqueue(() => this.#handleDown(child, reason)).catch((error: unknown) => {
      this.#core.log("error", this.name, "Could not handle a Down.", { error: String(error) });
    });
  }

  /** Starts all children; when one fails, the others are stopped again. */
  start(): Promise<void> {
    this.#stopping = null;
    this.#state = "starting";
    this.#history = this.#newHistory();
    // A restarted supervisor has all its children again, also the temporary ones that ended before.
    const children = [...this.#ofSpec];
    this.#children.splice(0, this.#children.length, ...children);
    return this.#enqueue(async () => {
      try {
        await this.#startChildren(children);
        this.#state = "running";
      } catch (error) {
        await this.#stopChildren(this.#children, { kind: "stopped" }).catch(() => undefined);
        this.#state = "down";
        throw error;
      }
    });
  }

  /** Adds a child to a running supervisor and starts it; a child that cannot start is not kept. */
  async add(spec: ChildSpec): Promise<void> {
    const child = this.#childOf(spec);
    this.#children.push(child);
    try {
      await child.start();
    } catch (error) {
      this.#remove(child);
      throw error;
    }
  }

  /** Stops one child for good. */
  async removeChild(child: Supervised, reason: DownReason): Promise<void> {
    this.#removing.add(child);
    try {
      await child.stop(reason);
    } finally {
      this.#remove(child);
    }
  }

  #remove(child: Supervised): void {
    const index = this.#children.indexOf(child);
    if (index >= 0) this.#children.splice(index, 1);
    // What the spec names may come back with a restart of this supervisor.
    if (!this.#ofSpec.includes(child)) this.#releaseNames(child);
  }

  #releaseNames(child: Supervised): void {
    if (child instanceof Supervisor) for (const grandchild of child.#ofSpec) this.#releaseNames(grandchild);
    this.#core.release(child.name);
  }

  async stop(reason: DownReason): Promise<void> {
    this.#stopping ??= reason;
    this.#endBackoff?.();
    // Work under way may be waiting for a start; it ends when that child is stopped.
    for (const child of this.#children) {
      if (child.state === "starting") child.stop(reason).catch(() => undefined);
    }
    await this.#enqueue(async () => {
      if (this.#state === "down") return;
      this.#state = "stopping";
      try {
        await this.#stopChildren(this.#children, reason);
      } finally {
        this.#state = "down";
      }
    });
  }

  /** Stops all children for good and gives up their names. */
  async dismiss(reason: DownReason): Promise<void> {
    try {
      await this.stop(reason);
    } finally {
      for (const child of this.#children.splice(0)) this.#releaseNames(child);
    }
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    // Each caller sees its own failure; the queue goes on.
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #startChildren(children: readonly Supervised[]): Promise<void> {
    if (this.#spec.start === "together") await this.#startTogether(children);
    else for (const child of children) await this.#startChild(child);
  }

  /** Throws the first failure, once nothing of the others is under way any more. */
  async #startTogether(children: readonly Supervised[]): Promise<void> {
    const starts = children.map((child) => this.#startChild(child));
    try {
      await Promise.all(starts);
    } catch (error) {
      await this.#stopChildren(children, { kind: "stopped" }).catch(() => undefined);
      await Promise.allSettled(starts);
      throw error;
    }
  }

  async #startChild(child: Supervised): Promise<void> {
    if (this.#stopping !== null) throw this.#stoppedError();
    if (this.#removing.has(child)) return;
    try {
      await child.start();
    } catch (error) {
      if (!this.#removing.has(child)) throw error;
    }
  }

  #stoppedError(): TroupeError {
    return this.#stopping?.kind === "shutdown"
      ? new TroupeError("system_stopped", `${this.name} was not started: the system is shutting down.`)
      : new TroupeError("actor_down", `${this.name} was stopped while it started.`);
  }

  /** In reverse order, all of them, whatever happens; then throws the first failure. */
  async #stopChildren(children: readonly Supervised[], reason: DownReason): Promise<void> {
    const errors: unknown[] = [];
    for (const child of [...children].reverse()) {
      await child.stop(reason).catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  async #handleDown(child: Supervised, reason: DownReason): Promise<void> {
    const index = this.#children.indexOf(child);
    if (this.#state !== "running" || this.#stopping !== null || index < 0 || this.#removing.has(child))
      return;
    if (child.state === "abandoned" && reason.kind === "crash") {
      await this.#escalate(reason.error);
      return;
    }
    // A group restart may have brought it up again before its turn came.
    if (child.state !== "down") return;
    if (!shouldRestart(child.restart, reason)) {
      if (child.restart === "temporary" || !this.#options.keepsEnded) this.#remove(child);
      return;
    }
    const group = restartGroup(this.#spec.strategy, index, this.#children.length).map(
      (i) => this.#children[i]!,
    );
    try {
      await this.#restartGroup(child, group, reason);
    } catch (error) {
      if (this.#stopping === null) await this.#escalate(toTroupeError(error));
    }
  }

  /** What failed to start may find the world changed: it is tried again, after the Downs that came meanwhile. */
  async #restartGroup(failed: Supervised, group: readonly Supervised[], reason: DownReason): Promise<void> {
    if (!this.#history.admit(this.#core.clock.now())) throw this.#budgetError(failed, reason);
    const children = group.filter((child) => child.restart !== "temporary");
    try {
      await this.#restartOnce(group, children);
    } catch (error) {
      // Beside one that was left alone nothing may be started.
      if (this.#stopping !== null || group.some(hasAbandoned)) throw error;
      const why: DownReason = { kind: "crash", error: toTroupeError(error) };
      this.#core.log("warn", this.name, "A restart failed; it is tried again.", { error: why.error.message });
      this.#expectDown(children.find((child) => child.state === "down") ?? failed, why);
    }
  }

  /** Temporary siblings are stopped with the others, but not started again. */
  async #restartOnce(group: readonly Supervised[], children: readonly Supervised[]): Promise<void> {
    const names = children.map((child) => child.name);
    const backoff = this.#spec.backoff ?? DEFAULT_BACKOFF;
    const delayMs = backoffDelayMs(backoff, this.#history.numRecent, this.#core.random());
    this.#core.emit("restarting", { supervisor: this.name, children: names, delayMs });
    await this.#stopChildren(group, { kind: "stopped" });
    for (const child of group) if (child.restart === "temporary") this.#remove(child);
    await this.#wait(delayMs);
    await this.#startChildren(children);
    this.#core.emit("restarted", { supervisor: this.name, children: names });
  }

  #budgetError(failed: Supervised, reason: DownReason): TroupeError {
    const { maxRestarts, windowMs } = this.#spec.intensity ?? DEFAULT_INTENSITY;
    const text = `${this.name} gave up: ${failed.name} went down, and ${maxRestarts} restarts in ${windowMs} ms are spent.`;
    return new TroupeError("restart_budget_spent", text, {
      cause: reason.kind === "crash" ? reason.error : undefined,
      details: { supervisor: this.name, actor: failed.name, maxRestarts, windowMs },
    });
  }

  #wait(delayMs: number): Promise<void> {
    if (delayMs <= 0 || this.#stopping !== null) return Promise.resolve();
    return new Promise((resolve) => {
      // While all threads of the tree are down, nothing else might hold the process.
      const timer: Timer = this.#core.clock.schedule(delayMs, resolve, { keepsAlive: true });
      this.#endBackoff = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  async #escalate(error: TroupeError): Promise<void> {
    this.#state = "stopping";
    await this.#stopChildren(this.#children, { kind: "stopped" }).catch(() => undefined);
    this.#state = "down";
    this.#core.emit("escalated", { supervisor: this.name, error });
    this.#onDown(this, { kind: "crash", error });
  }
}

/** Whether a part of it did not park and was left alone. */
function hasAbandoned(child: Supervised): boolean {
  return child instanceof Supervisor ? child.children.some(hasAbandoned) : child.state === "abandoned";
}
