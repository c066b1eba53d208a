/**
 * Runs each actor on a thread of its own.
 *
 * A thread that may be inside native code is never terminated: that aborts the whole process. It is asked to stop by a
 * word in shared memory and a control message; when its actor is parked (no handler runs, onStop is done) it closes its
 * ports and ends by itself. Only a thread that is parked and held open by something left behind is terminated.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { siblingModule } from "../core/sibling-module.ts";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { DownReason } from "../runtime/actor-types.ts";
import { decodeDownReason, encodeDownReason } from "../runtime/down-reason.ts";
import type { Host, HostedActor, StartRequest } from "../runtime/host.ts";
import { type Control, connectControl, withTransfer } from "./control-channel.ts";
import type { InitRequest, ThreadControl, ThreadEntryData } from "./thread-control.ts";
import { threadExecArgv } from "./thread-exec-argv.ts";
import { joinMesh } from "./thread-mesh.ts";

/** A parked thread that has not ended by itself after this time is held open by a handle its actor left behind. */
const LEAVE_GRACE_MS = 2000;

/** @example `new ActorSystem({ hosts: [inlineHost(), threadHost()] })` */
export function threadHost(): Host {
  return { name: "thread", start: (request) => new ThreadActor(request) };
}

class ThreadActor implements HostedActor {
  readonly nodeId: number;
  readonly ready: Promise<void>;
  readonly ended: Promise<DownReason>;
  readonly #request: StartRequest;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #control: Control<ThreadControl>;
  #resolveEnded!: (reason: DownReason) => void;
  #parked: DownReason | null = null;
  #uncaught: unknown = undefined;
  #isStopping = false;

  constructor(request: StartRequest) {
    const moduleUrl = requireUrl(request);
    this.#request = request;
    this.nodeId = request.nextNodeId();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const execArgv = threadExecArgv(process.execArgv);
    const workerData: ThreadEntryData = { control: port2 };
    this.#worker = new Worker(siblingModule(import.meta.url, "./thread-entry"), {
      name: request.name,
      workerData,
      transferList: [port2],
      ...(execArgv !== undefined && { execArgv }),
    });
    this.#control = connectControl<ThreadControl>(port1);
    this.ended = this.#watchThread();
    this.ready = this.#init(moduleUrl);
    // Whoever started it looks at `ready`; a stop that comes first must not become an unhandled rejection.
    this.ready.catch(() => undefined);
  }

  async #init(moduleUrl: string): Promise<void> {
    const { node, name, incarnation, address, args, mailbox } = this.#request;
    const { peers } = joinMesh(node, this.nodeId);
    const init: InitRequest = {
      name,
      incarnation,
      address,
      nodeId: this.nodeId,
      moduleUrl,
      args,
      mailbox: mailbox.share,
      entries: node.directory.entries(),
      downNames: node.directory.downNames(),
      memberships: node.services.groups.memberships(),
      peers,
    };
    const ports = peers.map((peer) => peer.port);
    try {
      await this.#orEnded(this.#control.init(withTransfer(init, ports)));
    } catch (error) {
      // Arguments that cannot be cloned fail on this side: the thread waits and must be told.
      this.stop({ kind: "crash", error: toTroupeError(error) });
      throw error;
    }
  }

  /** A call to a thread that dies never settles by itself. */
  #orEnded<T>(call: Promise<T>): Promise<T> {
    const gone = this.ended.then((reason): never => {
      throw reason.kind === "crash"
        ? reason.error
        : new TroupeError("actor_down", `${this.#request.name} was stopped.`, {
            details: { reason: reason.kind },
          });
    });
    return Promise.race([call, gone]);
  }

  #watchThread(): Promise<DownReason> {
    this.#control.ended().then((reason) => this.#onParked(decodeDownReason(reason)));
    return new Promise((resolve) => {
      this.#resolveEnded = resolve;
      this.#worker.on("error", (error) => {
        this.#uncaught = error;
      });
      this.#worker.on("exit", (exitCode) => {
        this.#port.close();
        resolve(this.#parked ?? this.#lostReason(exitCode));
      });
    });
  }

  #onParked(reason: DownReason): void {
    this.#parked = reason;
    void this.#control.leave();
    const timer = this.#request.node.clock.schedule(LEAVE_GRACE_MS, () => this.#endParked(reason));
    this.#worker.once("exit", () => timer.cancel());
  }

  /** A handler that outlived its crashed actor may be in native code: such a thread is let go, not ended. */
  #endParked(reason: DownReason): void {
    const { node, name, mailbox } = this.#request;
    const isIdle = mailbox.numActive === 0;
    const what = isIdle ? "a handle left behind; it was ended" : "a handler that still runs; it was let go";
    node.log("warn", name, `Its parked thread was held open by ${what}.`, {});
    if (isIdle) {
      void this.#worker.terminate();
    } else {
      this.abandon();
      this.#resolveEnded(reason);
    }
  }

  /** The thread ended without its actor: out of memory, or an exit from inside it. */
  #lostReason(exitCode: number): DownReason {
    const text = `The thread of ${this.#request.name} ended unexpectedly (exit code ${exitCode}).`;
    return {
      kind: "crash",
      error: new TroupeError("actor_down", text, { cause: this.#uncaught, details: { exitCode } }),
    };
  }

  stop(reason: DownReason): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#request.mailbox.requestStop();
    void this.#control.stop(encodeDownReason(reason));
  }

  /** If it ever parks, and the process is still there, it ends as any other. */
  abandon(): void {
    this.#worker.unref();
    this.#port.unref();
  }
}

function requireUrl(request: StartRequest): string {
  if (request.module instanceof URL) return request.module.href;
  const text = `${request.name}: the thread host needs the URL of a module, a definition cannot be sent to a thread.`;
  throw new TroupeError("invalid_config", text);
}
