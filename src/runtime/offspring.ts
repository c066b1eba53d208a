/** The children that one incarnation of an actor has spawned: under a supervisor of their own, gone with their parent. */
import { TroupeError } from "../errors/troupe-error.ts";
import type { Supervised, SystemCore } from "./supervised.ts";
import { type ChildFactory, Supervisor } from "./supervisor.ts";
import type { ChildSpec } from "./supervisor-spec.ts";

export class Offspring {
  readonly #supervisor: Supervisor;
  #ended: Promise<void> | null = null;

  /** `onGaveUp` is called when the children went down too often. */
  constructor(parent: string, core: SystemCore, make: ChildFactory, onGaveUp: (error: TroupeError) => void) {
    this.#supervisor = new Supervisor(
      { kind: "supervisor", name: `${parent}/children`, strategy: "one-for-one", children: [] },
      core,
      (_supervisor, reason) => {
        if (reason.kind === "crash") onGaveUp(reason.error);
      },
      make,
      { keepsEnded: false },
    );
    void this.#supervisor.start();
  }

  get children(): readonly Supervised[] {
    return this.#supervisor.children;
  }

  /** @throws TroupeError `actor_init_failed`; `actor_down` when the parent ended meanwhile. */
  async add(spec: ChildSpec): Promise<void> {
    await this.#supervisor.add(spec);
  }

  /** @throws TroupeError `actor_not_found`; `deadline_exceeded` when it had to be abandoned. */
  async stop(name: string): Promise<void> {
    const child = this.#supervisor.children.find((candidate) => candidate.name === name);
    if (child === undefined) {
      throw new TroupeError(
        "actor_not_found",
        `"${name}" is no child of this actor; it can stop only those.`,
      );
    }
    await this.#supervisor.removeChild(child, { kind: "stopped" });
  }

  /** Stops all of them, last started first, for good. @throws TroupeError `deadline_exceeded` as {@link stop}. */
  end(isShutdown: boolean): Promise<void> {
    this.#ended ??= this.#supervisor.dismiss({ kind: isShutdown ? "shutdown" : "stopped" });
    return this.#ended;
  }
}
