/**
 * What waits at the stages of one worker, and which comes next: a model that can run full first, then functions (the later
 * stage first, so that what has begun ends), then a model that cannot be filled. Nobody is passed over for ever.
 */
import type { MethodPlan, StagePlan } from "./method-plan.ts";
import type { ModelBatch } from "./model-batch.ts";
import type { Traveller } from "./pipeline.ts";
import type { Value } from "./tensor.ts";

/** A queue whose first instance has waited for so many turns is next. */
const MAX_TURNS_PASSED_OVER = 16;

/** A queue that has something to do. */
export type WaitingQueue = ModelQueue | FunctionQueue;

/** Instances that wait for a model, of every stage that runs it. */
export class ModelQueue {
  readonly kind = "model";
  readonly model: ModelBatch;
  #waiting: Traveller[] = [];

  constructor(model: ModelBatch) {
    this.model = model;
  }

  get waiting(): readonly Traveller[] {
    return this.#waiting;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.model.size;
  }

  add(traveller: Traveller): void {
    this.#waiting.push(traveller);
  }

  /** The first instance and as many as can share its run. */
  take(): Traveller[] {
    const [first] = this.#waiting;
    if (first === undefined) return [];
    const head = inputsOf(first);
    const taken: Traveller[] = [];
    const left: Traveller[] = [];
    for (const traveller of this.#waiting) {
      const fits =
        taken.length < this.model.size &&
        (traveller === first || this.model.canJoin(head, inputsOf(traveller)));
      (fits ? taken : left).push(traveller);
    }
    this.#waiting = left;
    return taken;
  }

  clear(): Traveller[] {
    return this.#waiting.splice(0);
  }
}

/** Instances that wait for one function stage. */
export class FunctionQueue {
  readonly kind = "function";
  readonly method: MethodPlan;
  readonly stage: StagePlan;
  readonly #size: number;
  readonly #waiting: Traveller[] = [];

  constructor(method: MethodPlan, stage: StagePlan, size: number) {
    this.method = method;
    this.stage = stage;
    this.#size = size;
  }

  get waiting(): readonly Traveller[] {
    return this.#waiting;
  }

  add(traveller: Traveller): void {
    this.#waiting.push(traveller);
  }

  /** As many as the function does at once. */
  take(): Traveller[] {
    return this.#waiting.splice(0, this.#size);
  }

  clear(): Traveller[] {
    return this.#waiting.splice(0);
  }
}

/** All queues of a worker. */
export class WorkQueues {
  readonly #models: ReadonlyMap<string, ModelQueue>;
  /** The later stage first. */
  readonly #functions: readonly FunctionQueue[];
  #turn = 0;

  constructor(methods: readonly MethodPlan[], models: ReadonlyMap<string, ModelBatch>, largestBatch: number) {
    this.#models = new Map([...models].map(([name, model]) => [name, new ModelQueue(model)]));
    this.#functions = methods
      .flatMap((method) =>
        method.stages.flatMap((stage) =>
          stage.work.kind === "function"
            ? [new FunctionQueue(method, stage, stage.work.batchSize || largestBatch)]
            : [],
        ),
      )
      .sort((a, b) => b.stage.index - a.stage.index);
  }

  add(stage: StagePlan, traveller: Traveller): void {
    traveller.since = this.#turn;
    const { work } = stage;
    if (work.kind === "model") this.#models.get(work.model)!.add(traveller);
    else this.#functions.find((queue) => queue.stage === stage)!.add(traveller);
  }

  /** Null when nothing waits. */
  next(): WaitingQueue | null {
    this.#turn++;
    const models = [...this.#models.values()].filter(({ waiting }) => waiting.length > 0);
    const functions = this.#functions.filter(({ waiting }) => waiting.length > 0);
    const all = [...models, ...functions];
    const oldest = all.toSorted((a, b) => a.waiting[0]!.since - b.waiting[0]!.since)[0];
    if (oldest === undefined) return null;
    if (this.#turn - oldest.waiting[0]!.since > MAX_TURNS_PASSED_OVER) return oldest;
    return models.find(({ isFull }) => isFull) ?? functions[0] ?? models[0] ?? null;
  }

  /** Empties every queue. */
  clear(): Traveller[] {
    return [...this.#models.values(), ...this.#functions].flatMap((queue) => queue.clear());
  }
}

function inputsOf({ method, slots, stage }: Traveller): Value[] {
  return method.stages[stage]!.inputSlots.map((slot) => slots[slot]!);
}
