/** Calls a stage function of the user's for some instances; whatever it throws or returns, each instance has a result. */
import { TroupeError } from "../errors/troupe-error.ts";
import type { MethodPlan, StagePlan } from "./method-plan.ts";
import type { StageContext } from "./servable-definition.ts";
import { failed, type InstanceResult, STATUS } from "./status.ts";
import type { Value } from "./tensor.ts";
import { valueFrom } from "./value-from.ts";

type AnyFunction = (...inputs: unknown[]) => unknown;

/**
 * A function of one instance is called for each. One of many that throws half-way has failed for the instance it was at,
 * and is called again with those after it.
 */
export async function runFunction(
  stage: StagePlan,
  method: MethodPlan,
  instances: readonly (readonly Value[])[],
  context: StageContext,
): Promise<InstanceResult[]> {
  return await new FunctionCall(stage, method, context).all(instances);
}

class FunctionCall {
  readonly #stage: StagePlan;
  readonly #method: MethodPlan;
  readonly #context: StageContext;
  readonly #run: AnyFunction;
  readonly #isBatched: boolean;
  readonly #name: string;

  constructor(stage: StagePlan, method: MethodPlan, context: StageContext) {
    const work = stage.work as Extract<StagePlan["work"], { kind: "function" }>;
    this.#stage = stage;
    this.#method = method;
    this.#context = context;
    // What a stage is given, its definition says; its parameters' types end here.
    this.#run = work.run as AnyFunction;
    this.#isBatched = work.batchSize !== null;
    this.#name = work.run.name || stage.tag;
  }

  async all(instances: readonly (readonly Value[])[]): Promise<InstanceResult[]> {
    const results: InstanceResult[] = [];
    while (results.length < instances.length) {
      const rest = instances.slice(results.length);
      results.push(...(this.#isBatched ? await this.#several(rest) : [await this.#one(rest[0]!)]));
    }
    return results;
  }

  async #one(inputs: readonly Value[]): Promise<InstanceResult> {
    try {
      return this.#read(await this.#run(...inputs, this.#context));
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** At least one result. */
  async #several(instances: readonly (readonly Value[])[]): Promise<InstanceResult[]> {
    const results: InstanceResult[] = [];
    let iterator: Iterator<unknown> | AsyncIterator<unknown>;
    try {
      iterator = iteratorOf(await this.#run(instances, this.#context), this.#name);
    } catch (error) {
      return instances.map(() => this.#failed(error));
    }
    while (results.length < instances.length) {
      try {
        const next = await iterator.next();
        if (next.done === true) break;
        results.push(this.#read(await next.value));
      } catch (error) {
        return [...results, this.#failed(error)];
      }
    }
    if (results.length === instances.length) {
      await iterator.return?.();
      return results;
    }
    const counts = `The number ${results.length} of instances returned by function '${this.#name}' is not equal to the number ${instances.length} of instances provided to this function.`;
    const missing = this.#failed(new TroupeError("engine_failed", counts));
    return [...results, ...instances.slice(results.length).map(() => missing)];
  }

  #read(output: unknown): InstanceResult {
    const outputs: readonly unknown[] = Array.isArray(output) ? output : [output];
    const wanted = this.#stage.outputSlots.length;
    if (outputs.length !== wanted) {
      const text = `The outputs number ${outputs.length} of one instance returned by function '${this.#name}' is not equal to the outputs number ${wanted} registered in method ${this.#method.name}`;
      return this.#failed(new TroupeError("engine_failed", text));
    }
    try {
      return { kind: "outputs", values: outputs.map(valueFrom) };
    } catch (error) {
      return this.#failed(new TroupeError("engine_failed", (error as TroupeError).message));
    }
  }

  /** A function says with `invalid_request` that the client is at fault. */
  #failed(thrown: unknown): InstanceResult {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const isInvalid = thrown instanceof TroupeError && thrown.code === "invalid_request";
    const { tag, index } = this.#stage;
    const place = `method: '${this.#method.name}', stage index(begin with 1): ${index + 1}`;
    const text = `Call ${tag} Failed, ${place}, error msg: ${reason}`;
    return failed(isInvalid ? STATUS.invalidInputs : STATUS.systemError, text);
  }
}

function iteratorOf(returned: unknown, name: string): Iterator<unknown> | AsyncIterator<unknown> {
  if (typeof returned === "object" && returned !== null) {
    if (Symbol.iterator in returned) return (returned as Iterable<unknown>)[Symbol.iterator]();
    if (Symbol.asyncIterator in returned) return (returned as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  }
  throw new TroupeError("engine_failed", `The function '${name}' returned no list of results.`);
}
