/**
 * One worker's methods at work. Instances wait in queues, one for each model and each function stage; a turn takes as many
 * of a queue as its work can do at once, whoever sent them, and moves them on to their next stage. Synchronous but for the
 * user's functions: between two turns messages come in, whose instances then share the next batch.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { MethodPlan, StagePlan } from "./method-plan.ts";
import type { ModelBatch } from "./model-batch.ts";
import { runFunction } from "./run-function.ts";
import type { ModelHandle, StageContext } from "./servable-definition.ts";
import { failed, failureOf, type InstanceResult, STATUS } from "./status.ts";
import type { Value } from "./tensor.ts";
import { type WaitingQueue, WorkQueues } from "./work-queues.ts";

/** One instance on its way. */
export interface Traveller {
  readonly method: MethodPlan;
  /** By slot; those of stages to come are missing. */
  readonly slots: Value[];
  stage: number;
  /** When it came to wait where it is, in turns. */
  since: number;
  readonly signal: AbortSignal;
  readonly settle: (result: InstanceResult) => void;
}

/** What a pipeline is made of. */
export interface PipelineOptions {
  readonly methods: readonly MethodPlan[];
  readonly models: ReadonlyMap<string, ModelBatch>;
  /** Lets messages come in between two turns. */
  readonly yieldTurn: () => Promise<void>;
  /** True once everything that waits is to be given up. */
  readonly shouldStop: () => boolean;
}

/** @see the module header */
export class Pipeline {
  /** The most instances of one run of any model; 1 without models. */
  readonly batchSize: number;
  readonly #options: PipelineOptions;
  readonly #methods: ReadonlyMap<string, MethodPlan>;
  readonly #queues: WorkQueues;
  readonly #context: StageContext;
  #isPumping = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#methods = new Map(options.methods.map((method) => [method.name, method]));
    this.batchSize = Math.max(1, ...[...options.models.values()].map(({ size }) => size));
    this.#queues = new WorkQueues(options.methods, options.models, this.batchSize);
    this.#context = { models: handlesOf(options.models) };
  }

  /**
   * Takes instances, each with a value for every input of the method, through it.
   *
   * @returns a result for each; never rejects
   */
  predict(
    name: string,
    instances: readonly (readonly Value[])[],
    signal: AbortSignal,
  ): Promise<InstanceResult[]> {
    const method = this.#methods.get(name);
    return Promise.all(
      instances.map((inputs) => {
        const { promise, resolve } = Promise.withResolvers<InstanceResult>();
        if (method === undefined) resolve(failed(STATUS.failed, `Not support method ${name}`));
        else this.#arrive({ method, slots: [...inputs], stage: 0, since: 0, signal, settle: resolve });
        return promise;
      }),
    );
  }

  /** At its next stage, or at its end. */
  #arrive(traveller: Traveller): void {
    const { method, slots, stage, settle } = traveller;
    const plan = method.stages[stage];
    if (plan === undefined) {
      settle({ kind: "outputs", values: method.outputSlots.map((slot) => slots[slot]!) });
      return;
    }
    const reason = this.#refuse(plan, slots);
    if (reason !== null) {
      settle(failed(STATUS.invalidInputs, reason));
      return;
    }
    this.#queues.add(plan, traveller);
    if (!this.#isPumping) void this.#pump();
  }

  #refuse({ work, inputSlots }: StagePlan, slots: readonly Value[]): string | null {
    if (work.kind === "function") return null;
    return this.#options.models.get(work.model)!.refuse(inputSlots.map((slot) => slots[slot]!));
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    // instances of the same message, and of messages that are there already, meet in the first turn
    await this.#options.yieldTurn();
    for (;;) {
      if (this.#options.shouldStop()) this.#giveUp();
      const queue = this.#queues.next();
      if (queue === null) break;
      await this.#turn(queue);
      await this.#options.yieldTurn();
    }
    this.#isPumping = false;
  }

  async #turn(queue: WaitingQueue): Promise<void> {
    const group = queue.take().filter((traveller) => isWanted(traveller));
    if (group.length === 0) return;
    const results = await this.#work(queue, group);
    for (const [index, traveller] of group.entries()) {
      const result = results[index]!;
      if (result.kind === "failed") {
        traveller.settle(result);
        continue;
      }
      const stage = traveller.method.stages[traveller.stage]!;
      for (const [output, slot] of stage.outputSlots.entries())
        traveller.slots[slot] = result.values[output]!;
      traveller.stage++;
      this.#arrive(traveller);
    }
  }

  async #work(queue: WaitingQueue, group: readonly Traveller[]): Promise<readonly InstanceResult[]> {
    const inputs = group.map(({ method, slots, stage }) =>
      method.stages[stage]!.inputSlots.map((slot) => slots[slot]!),
    );
    if (queue.kind === "function") {
      return await runFunction(queue.stage, queue.method, inputs, this.#context);
    }
    try {
      return queue.model.run(inputs).map((values) => ({ kind: "outputs", values }));
    } catch (error) {
      const { code, message } = failureOf(error);
      return group.map(() => failed(code, message));
    }
  }

  #giveUp(): void {
    for (const traveller of this.#queues.clear()) {
      traveller.settle(failed(STATUS.workerUnavailable, "Servable stopped"));
    }
  }
}

/** Nobody waits for the others; they end where they are. */
function isWanted({ signal, settle }: Traveller): boolean {
  if (!signal.aborted) return true;
  settle(failed(STATUS.failed, "The caller is gone."));
  return false;
}

function handlesOf(models: ReadonlyMap<string, ModelBatch>): Record<string, ModelHandle> {
  return Object.fromEntries(
    [...models].map(([name, batch]) => [name, { run: (rows) => runAll(batch, rows) }]),
  );
}

/** In runs of instances that can join, in their order. */
function runAll(batch: ModelBatch, instances: readonly (readonly Value[])[]): Value[][] {
  for (const instance of instances) {
    const reason = batch.refuse(instance);
    if (reason !== null) throw new TroupeError("invalid_request", reason);
  }
  const outputs: Value[][] = [];
  while (outputs.length < instances.length) {
    const first = instances[outputs.length]!;
    let end = outputs.length + 1;
    while (
      end < instances.length &&
      end - outputs.length < batch.size &&
      batch.canJoin(first, instances[end]!)
    )
      end++;
    outputs.push(...batch.run(instances.slice(outputs.length, end)));
  }
  return outputs;
}
