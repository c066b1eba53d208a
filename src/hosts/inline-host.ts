/** Runs actors on the system's own thread: for tests, and for actors that mostly wait. */
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import { ActorCell } from "../runtime/actor-cell.ts";
import type { DownReason } from "../runtime/actor-types.ts";
import type { Host, HostedActor, StartRequest } from "../runtime/host.ts";
import { loadDefinition } from "./load-definition.ts";

/** @example `new ActorSystem({ hosts: [inlineHost()] })` */
export function inlineHost(): Host {
  return { name: "inline", start: (request) => new InlineActor(request) };
}

class InlineActor implements HostedActor {
  readonly nodeId: number;
  readonly ready: Promise<void>;
  readonly ended: Promise<DownReason>;
  #resolveEnded!: (reason: DownReason) => void;
  #cell: ActorCell | null = null;
  #stopReason: DownReason | null = null;

  constructor(request: StartRequest) {
    this.nodeId = request.node.nodeId;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    request.node.expectCell(request.address);
    this.ready = this.#start(request);
    // Whoever started it looks at `ready`; a stop that comes first must not become an unhandled rejection.
    this.ready.catch(() => undefined);
  }

  async #start(request: StartRequest): Promise<void> {
    const { node, address, name, incarnation, mailbox } = request;
    let cell: ActorCell;
    try {
      const definition = await loadDefinition(request.module);
      cell = new ActorCell(definition, { name, incarnation, address, mailbox }, node);
    } catch (error) {
      this.#resolveEnded({ kind: "crash", error: toTroupeError(error) });
      throw error;
    }
    if (this.#stopReason !== null) {
      this.#resolveEnded(this.#stopReason);
      throw new TroupeError("actor_down", `${name} was stopped before it started.`);
    }
    this.#cell = cell;
    node.addCell(address, cell);
    cell.ended.then(this.#resolveEnded);
    await cell.start(request.args);
  }

  stop(reason: DownReason): void {
    this.#stopReason ??= reason;
    this.#cell?.stop(reason);
  }

  abandon(): void {
    // What runs on this thread holds no handle of its own; there is nothing to let go.
  }
}
