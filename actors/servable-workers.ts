/**
 * The workers of servables, as a supervision tree, and the directory that takes requests to them.
 *
 *     servable-N (one-for-one)      a worker that fails is started again; past its budget the servable is not available
 *     ├── servable-N.0   thread     the user's module and its models
 *     └── servable-N.1   thread
 */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { siblingModule } from "../src/core/sibling-module.ts";
import { TroupeError, toTroupeError } from "../src/errors/troupe-error.ts";
import type { ActorSystem } from "../src/runtime/actor-system.ts";
import { type ActorRef, actorRef } from "../src/runtime/actor-types.ts";
import type { SupervisorSpec } from "../src/runtime/supervisor-spec.ts";
import { InstanceQueue } from "../src/servables/instance-queue.ts";
import type { RunningServable } from "../src/servables/servable-directory.ts";
import type { ServableInfo } from "../src/servables/servable-info.ts";
import type { CheckedOptions, ServableEntry } from "../src/servables/servables-options.ts";
import { STATUS } from "../src/servables/status.ts";
import type { Value } from "../src/servables/tensor.ts";
import { isActorGone } from "./gone.ts";
import type { ServableWorkerArgs, ServableWorkerProtocol } from "./servable-messages.ts";

/** The most that a mailbox may count. */
const MAILBOX_BYTES = 1024 ** 3;
/** A small batch is computed in less time than a message takes. */
const MIN_OUTSTANDING = 32;
const RESTART_BACKOFF = { minMs: 50, maxMs: 5_000, jitter: 0.2 };

type Limits = Pick<CheckedOptions, "answerTimeoutMs" | "maxRestarts" | "restartWindowMs">;

/** How one servable's workers are named and started. */
export interface WorkerPlan {
  readonly supervisor: string;
  readonly workers: readonly { readonly ref: ActorRef<ServableWorkerProtocol>; readonly device: string }[];
  readonly module: string;
  readonly version: number;
  readonly threads: number;
}

/** One worker for each device, and more of them where more are to run at once; they share the cores. */
export function planWorkers(options: Pick<CheckedOptions, "servables" | "threads">): WorkerPlan[] {
  const counts = options.servables.map(numWorkers);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / total));
  return options.servables.map(({ module, version, devices }, index) => ({
    supervisor: `servable-${index}`,
    workers: Array.from({ length: counts[index]! }, (_, worker) => ({
      ref: actorRef<ServableWorkerProtocol>(`servable-${index}.${worker}`),
      device: devices[worker % devices.length]!,
    })),
    module: urlOf(module),
    version,
    threads,
  }));
}

function urlOf(module: string | URL): string {
  if (module instanceof URL) return module.href;
  return module.startsWith("file:") ? module : pathToFileURL(resolve(module)).href;
}

function numWorkers({ devices, numParallelWorkers }: ServableEntry): number {
  return Math.max(devices.length, numParallelWorkers);
}

/** Starts a servable's workers. @throws TroupeError what its module or models are refused for */
export async function startWorkers(
  system: ActorSystem,
  plan: WorkerPlan,
  limits: Limits,
): Promise<RunningServable> {
  let version = plan.version;
  const spec: SupervisorSpec = {
    kind: "supervisor",
    name: plan.supervisor,
    strategy: "one-for-one",
    // one that spent its budget stays down; its clients are told
    restart: "temporary",
    intensity: { maxRestarts: limits.maxRestarts, windowMs: limits.restartWindowMs },
    backoff: RESTART_BACKOFF,
    children: plan.workers.map(({ ref, device }) => ({
      name: ref.actor,
      module: siblingModule(import.meta.url, "./servable-worker"),
      host: "thread",
      mailbox: { maxBytes: MAILBOX_BYTES },
      // a restarted worker has the version that runs, whatever folders have come meanwhile
      args: (): ServableWorkerArgs => ({ module: plan.module, version, device, threads: plan.threads }),
    })),
  };
  try {
    await system.supervise(spec);
  } catch (error) {
    throw explain(error);
  }
  const info = await system.ask(plan.workers[0]!.ref, "describe", null);
  version = info.version;
  return { info, queue: openQueue(system, plan, info, limits) };
}

/** The runtime says that an init failed; why is what the caller needs. */
function explain(error: unknown): TroupeError {
  const coded = toTroupeError(error);
  if (coded.code !== "actor_init_failed" || coded.cause === undefined) return coded;
  return toTroupeError(coded.cause);
}

function openQueue(
  system: ActorSystem,
  plan: WorkerPlan,
  { name, version, batchSize }: ServableInfo,
  { answerTimeoutMs }: Limits,
): InstanceQueue {
  const indexOf = new Map(plan.workers.map(({ ref }, index) => [ref.actor, index]));
  const queue = new InstanceQueue({
    numWorkers: plan.workers.length,
    batchSize,
    maxOutstanding: Math.max(2 * batchSize, MIN_OUTSTANDING),
    async send(worker, method, instances) {
      const { ref } = plan.workers[worker]!;
      const transfer = [...new Set(instances.flat().flatMap(buffersOf))];
      try {
        return await system.ask(
          ref,
          "predict",
          { method, instances },
          { deadlineMs: answerTimeoutMs, transfer },
        );
      } catch (thrown) {
        throw explainLoss(system, ref, toTroupeError(thrown), answerTimeoutMs);
      }
    },
  });
  const setUp = (actor: string, isUp: boolean): void => {
    const index = indexOf.get(actor);
    if (index !== undefined) queue.setUp(index, isUp);
  };
  system.events.on("failing", ({ actor }) => setUp(actor, false));
  system.events.on("down", ({ ref }) => setUp(ref.actor, false));
  system.events.on("started", ({ actor }) => setUp(actor, true));
  system.events.on("escalated", ({ supervisor, error }) => {
    if (supervisor !== plan.supervisor) return;
    const message = `Servable ${name}, version ${version}, is not available: ${error.message}`;
    queue.close({ code: STATUS.servableUnavailable, message });
  });
  return queue;
}

/** A worker that hangs is treated as one that crashed. */
function explainLoss(
  system: ActorSystem,
  ref: ActorRef<ServableWorkerProtocol>,
  error: TroupeError,
  answerTimeoutMs: number,
): TroupeError {
  if (error.code === "deadline_exceeded") {
    const text = `Worker ${ref.actor} gave no answer within ${answerTimeoutMs} ms; it is started again.`;
    const hang = new TroupeError("deadline_exceeded", text, { cause: error });
    restart(system, ref, hang);
    return hang;
  }
  if (error.code === "actor_down") {
    return new TroupeError("actor_down", `Worker ${ref.actor} failed; send the request again.`, {
      cause: error,
    });
  }
  return error;
}

/** Unless it is being started again already. */
function restart(system: ActorSystem, ref: ActorRef<ServableWorkerProtocol>, error: TroupeError): void {
  try {
    system.fail(ref, error);
  } catch (thrown) {
    if (!isActorGone(thrown)) throw thrown;
  }
}

function buffersOf(value: Value): ArrayBuffer[] {
  if (typeof value === "string") return [];
  const { buffer } = value instanceof Uint8Array ? value : value.data;
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}
