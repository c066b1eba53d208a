/** The servables that run, and requests on their way to them: MindSpore Serving's Master. */
import type { Clock } from "../core/clock.ts";
import type { InstanceQueue } from "./instance-queue.ts";
import type { Instance } from "./json-instances.ts";
import type { PredictOutcome, Predictor, PredictRequest } from "./predict.ts";
import type { MethodInfo, ServableInfo } from "./servable-info.ts";
import { type FailureCode, type InstanceResult, STATUS } from "./status.ts";
import type { Value } from "./tensor.ts";

/** A servable in one version, with its workers' queue. */
export interface RunningServable {
  readonly info: ServableInfo;
  readonly queue: InstanceQueue;
}

/** One request that was answered. */
export interface Predicted {
  /** Null when there is no such servable or method. */
  readonly target: { readonly servable: string; readonly method: string } | null;
  readonly outcome: PredictOutcome;
  readonly durationMs: number;
}

/** What a directory is made of. */
export interface DirectoryOptions {
  readonly servables: readonly RunningServable[];
  /** Requests that may be under way; more are refused. */
  readonly maxEnqueuedRequests: number;
  readonly clock: Clock;
  readonly onPredicted: (predicted: Predicted) => void;
}

/** @see the module header */
export class ServableDirectory implements Predictor {
  readonly #options: DirectoryOptions;
  #numEnqueued = 0;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** Requests under way. */
  get numEnqueued(): number {
    return this.#numEnqueued;
  }

  async predict(request: PredictRequest, signal: AbortSignal): Promise<PredictOutcome> {
    const { clock, onPredicted } = this.#options;
    const startMs = clock.now();
    this.#numEnqueued++;
    const servable = this.#find(request);
    const method = servable?.info.methods.find(({ name }) => name === request.method);
    const outcome = await this.#answer(request, servable, method, signal);
    this.#numEnqueued--;
    const target = method === undefined ? null : { servable: request.servable, method: request.method };
    onPredicted({ target, outcome, durationMs: clock.now() - startMs });
    return outcome;
  }

  async #answer(
    request: PredictRequest,
    servable: RunningServable | undefined,
    method: MethodInfo | undefined,
    signal: AbortSignal,
  ): Promise<PredictOutcome> {
    const { maxEnqueuedRequests } = this.#options;
    if (this.#numEnqueued > maxEnqueuedRequests) {
      const text = `Serving Error: enqueued requests count exceeds the limit ${maxEnqueuedRequests}`;
      return refuse(STATUS.failed, text);
    }
    if (servable === undefined) {
      return refuse(STATUS.invalidInputs, `Request ${nameOf(request)}, servable is not available`);
    }
    if (method === undefined) {
      return refuse(STATUS.invalidInputs, `Request ${nameOf(request)}, method is not available`);
    }
    if (!servable.queue.isOpen) {
      return refuse(STATUS.servableUnavailable, `Request ${nameOf(request)}, servable is not available`);
    }
    if (request.instances.length === 0) {
      return refuse(STATUS.invalidInputs, "Instances count of the request cannot be 0");
    }
    const inputs = request.instances.map((instance) => inputsOf(method, instance));
    const missing = inputs.findIndex((values) => typeof values === "string");
    if (missing >= 0) {
      const text = `Cannot find input ${inputs[missing]} in instance input , servable ${request.servable}, method ${request.method}`;
      return refuse(STATUS.invalidInputs, text);
    }
    const results = await servable.queue.submit(request.method, inputs as Value[][], signal);
    return summarise(method.outputs, results);
  }

  #find({ servable, version }: PredictRequest): RunningServable | undefined {
    const versions = this.#options.servables.filter(({ info }) => info.name === servable);
    if (version > 0) return versions.find(({ info }) => info.version === version);
    return versions.toSorted((a, b) => b.info.version - a.info.version)[0];
  }
}

/** Values in the method's order, or the name of the first input that is not there. */
function inputsOf({ inputs }: MethodInfo, instance: Instance): Value[] | string {
  const values: Value[] = [];
  for (const name of inputs) {
    const value = instance.get(name);
    if (value === undefined) return name;
    values.push(value);
  }
  return values;
}

/** Where every instance failed in the same way, that is said once. */
function summarise(outputs: readonly string[], results: readonly InstanceResult[]): PredictOutcome {
  const [first] = results;
  if (first?.kind === "failed") {
    const { failure } = first;
    const isSame = (other: InstanceResult): boolean =>
      other.kind === "failed" &&
      other.failure.code === failure.code &&
      other.failure.message === failure.message;
    if (results.every(isSame)) return { kind: "failed", failure };
  }
  return { kind: "results", outputs, results };
}

function refuse(code: FailureCode, message: string): PredictOutcome {
  return { kind: "failed", failure: { code, message } };
}

function nameOf({ servable, method, version }: PredictRequest): string {
  return `servable(${servable}) method(${method}) ${version > 0 ? ` version(${version}) ` : ""}`;
}
