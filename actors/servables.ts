/** Servables in one object: their workers, REST and gRPC. */
import { systemClock } from "../src/core/clock.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import { createActorSystem } from "../src/hosts/create-actor-system.ts";
import type { ActorSystem } from "../src/runtime/actor-system.ts";
import type { LogSink } from "../src/runtime/actor-types.ts";
import { type RunningServable, ServableDirectory } from "../src/servables/servable-directory.ts";
import type { ServableInfo } from "../src/servables/servable-info.ts";
import { type CheckedOptions, checkOptions } from "../src/servables/servables-options.ts";
import { ActiveWork } from "../src/serving/active-work.ts";
import { STOPPING } from "../src/serving/servables/rest-server.ts";
import { ServableMetrics } from "../src/serving/servables/servable-metrics.ts";
import { type Listeners, openListeners } from "../src/serving/servables/servable-servers.ts";
import type { ServableTls } from "../src/serving/servables/servable-tls.ts";
import { WorkPredictor } from "../src/serving/servables/work-predictor.ts";
import { planWorkers, startWorkers } from "./servable-workers.ts";

/**
 * One servable to start.
 *
 * @example
 * ```ts
 * const source: ServableSource = { module: "servables/digits.ts", devices: ["cuda:0", "cuda:1"] };
 * ```
 */
export interface ServableSource {
  /** Whose default export is the definition: a URL, or a path from the working directory. */
  readonly module: string | URL;
  /** Which numbered folder beside the module; 0, the default, is the newest. */
  readonly version?: number;
  /** A worker, with the models, for each; default `["cpu:0"]`. */
  readonly devices?: readonly string[];
  /** At least so many workers; they take the devices in turn. Default: one for each device. */
  readonly numParallelWorkers?: number;
}

/** What both servers have. */
interface ListenOptions {
  /** `host:port`; a port of 0 takes a free one. */
  readonly address?: string;
  /** The longest message taken, in MiB, 1 to 512; default 100. */
  readonly maxMsgMbSize?: number;
  readonly tls?: ServableTls;
}

/**
 * What to serve, and where.
 *
 * @example
 * ```ts
 * const options: ServablesOptions = { servables: [{ module: "digits.ts" }], grpc: { address: "unix:digits.sock" } };
 * ```
 */
export interface ServablesOptions {
  readonly servables: readonly ServableSource[];
  /** Default 127.0.0.1:1500; null serves no REST. `errorStatus: "http"` gives failed requests other statuses than 200. */
  readonly rest?: (ListenOptions & { readonly errorStatus?: "always-200" | "http" }) | null;
  /** Default 127.0.0.1:5500, or `unix:path`; null serves no gRPC. */
  readonly grpc?: ListenOptions | null;
  /** Threads of ONNX Runtime in each worker; default: the workers share the cores. */
  readonly threads?: number;
  /** Requests under way; more are refused. Default 10 000. */
  readonly maxEnqueuedRequests?: number;
  /** A worker that gives no answer for so long hangs and is started again. Default 120 000. */
  readonly answerTimeoutMs?: number;
  /** Restarts of one servable's workers within `restartWindowMs` before it is given up. Default 5 within 60 000. */
  readonly maxRestarts?: number;
  readonly restartWindowMs?: number;
  /** Where log records go; nowhere when absent. */
  readonly log?: LogSink;
}

/**
 * Servables that are served.
 *
 * @example
 * ```ts
 * const running: RunningServables = await startServables({ servables: [{ module: "digits.ts" }] });
 * console.log(running.servables[0]?.name, running.restUrl);
 * ```
 */
export interface RunningServables {
  readonly servables: readonly ServableInfo[];
  /** `http://127.0.0.1:1500`; null without REST. */
  readonly restUrl: string | null;
  /** `127.0.0.1:5500`, as clients write it; null without gRPC. */
  readonly grpcAddress: string | null;
  /** `ready` when every servable has a worker that runs and nothing is being stopped; else why not. */
  status(): string;
  /**
   * Refuses new requests, lets those under way end until `drainMs` have passed (default 0), fails the rest, and stops the
   * workers. A second call cuts the drain short.
   *
   * @throws TroupeError `deadline_exceeded` when a worker did not park and was abandoned
   */
  stop(options?: { readonly drainMs?: number }): Promise<void>;
}

/**
 * Loads servables on threads of their own and serves them over REST and gRPC, as MindSpore Serving does.
 *
 * @throws TroupeError `invalid_config`, `invalid_model`, `file_error`, `address_in_use`; whatever had started is stopped again
 * @example
 * ```ts
 * const running = await startServables({ servables: [{ module: new URL("./digits.ts", import.meta.url) }] });
 * process.once("SIGTERM", () => void running.stop({ drainMs: 30_000 }));
 * ```
 */
export async function startServables({ log, ...given }: ServablesOptions): Promise<RunningServables> {
  const options = checkOptions(given);
  const system = createActorSystem(log === undefined ? {} : { log });
  try {
    const servables = await startAll(system, options);
    return await Serving.open(system, options, servables, log ?? (() => undefined));
  } catch (error) {
    await system.shutdown();
    throw error;
  }
}

async function startAll(system: ActorSystem, options: CheckedOptions): Promise<RunningServable[]> {
  const servables = await Promise.all(
    planWorkers(options).map((plan) => startWorkers(system, plan, options)),
  );
  const names = servables.map(({ info }) => `${info.name}, version ${info.version}`);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice === undefined) return servables;
  throw new TroupeError("invalid_config", `Two servables are ${twice}. Give one another name or version.`);
}

class Serving implements RunningServables {
  readonly servables: readonly ServableInfo[];
  readonly restUrl: string | null;
  readonly grpcAddress: string | null;
  readonly #system: ActorSystem;
  readonly #running: readonly RunningServable[];
  readonly #work: ActiveWork;
  readonly #listeners: Listeners;
  #stopped: Promise<void> | null = null;

  private constructor(
    system: ActorSystem,
    running: readonly RunningServable[],
    work: ActiveWork,
    listeners: Listeners,
  ) {
    this.servables = running.map(({ info }) => info);
    this.restUrl = listeners.restUrl;
    this.grpcAddress = listeners.grpcAddress;
    this.#system = system;
    this.#running = running;
    this.#work = work;
    this.#listeners = listeners;
  }

  static async open(
    system: ActorSystem,
    options: CheckedOptions,
    running: readonly RunningServable[],
    log: LogSink,
  ): Promise<Serving> {
    const work = new ActiveWork(systemClock);
    const metrics: ServableMetrics = new ServableMetrics({
      numEnqueued: () => directory.numEnqueued,
      waiting: () =>
        running.map(({ info: { name, version }, queue }) => ({
          servable: name,
          version,
          numWaiting: queue.numWaiting,
        })),
      numRestarts: () => system.inspect().actors.reduce((sum, { numRestarts }) => sum + numRestarts, 0),
    });
    const directory = new ServableDirectory({
      servables: running,
      maxEnqueuedRequests: options.maxEnqueuedRequests,
      clock: systemClock,
      onPredicted: (predicted) => metrics.count(predicted),
    });
    const listeners = await openListeners({
      options,
      predictor: new WorkPredictor(directory, work),
      metrics,
      log,
      clock: systemClock,
      status: () => statusOf(running, work),
    });
    return new Serving(system, running, work, listeners);
  }

  status(): string {
    return this.#stopped === null ? statusOf(this.#running, this.#work) : STOPPING;
  }

  stop({ drainMs = 0 }: { readonly drainMs?: number } = {}): Promise<void> {
    if (this.#stopped !== null) this.#work.cut();
    this.#stopped ??= this.#stop(drainMs);
    return this.#stopped;
  }

  async #stop(drainMs: number): Promise<void> {
    await this.#work.close(drainMs);
    await this.#listeners.close();
    await this.#system.shutdown();
  }
}

function statusOf(running: readonly RunningServable[], work: ActiveWork): string {
  if (work.isClosing) return STOPPING;
  const down = running.find(({ queue }) => queue.numWorkersUp === 0);
  if (down === undefined) return "ready";
  const { info, queue } = down;
  return `${info.name}, version ${info.version}, ${queue.isOpen ? "is being restarted" : "has failed"}`;
}
