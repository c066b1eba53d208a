/** A method with its names resolved: values lie in numbered slots, and every stage knows from which it reads. */
import { nearestName } from "../core/nearest-name.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { MethodDefinition, ServableDefinition, StageFunction } from "./servable-definition.ts";

/** What a stage does. */
export type StageWork =
  | { readonly kind: "model"; readonly model: string }
  /** `batchSize` null: one instance at a time. */
  | { readonly kind: "function"; readonly run: StageFunction; readonly batchSize: number | null };

/** One stage. */
export interface StagePlan {
  /** From 0. */
  readonly index: number;
  readonly work: StageWork;
  /** What to call it in errors. */
  readonly tag: string;
  readonly inputSlots: readonly number[];
  readonly outputSlots: readonly number[];
}

/** One method. The first slots hold its inputs. */
export interface MethodPlan {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly stages: readonly StagePlan[];
  /** Where the outputs lie in the end. */
  readonly outputSlots: readonly number[];
}

/** @throws TroupeError `invalid_config` for a name that nothing stands for */
export function planMethods(definition: ServableDefinition): MethodPlan[] {
  const modelNames = Object.keys(definition.models ?? {});
  return Object.entries(definition.methods).map(([name, method]) =>
    planMethod(`${definition.name}, method ${name}`, name, method, modelNames),
  );
}

function planMethod(
  what: string,
  name: string,
  method: MethodDefinition,
  modelNames: readonly string[],
): MethodPlan {
  const slots = new Map<string, number>();
  let numSlots = 0;
  const declare = (names: readonly string[], where: string): number[] => {
    requireDistinct(names, `${what}, ${where}`);
    return names.map((value) => {
      slots.set(value, numSlots);
      return numSlots++;
    });
  };
  const find = (names: readonly string[], where: string): number[] =>
    names.map((value) => slots.get(value) ?? unknown(`${what}, ${where}`, "value", value, [...slots.keys()]));

  declare(method.inputs, "inputs");
  const stages = method.stages.map((stage, index): StagePlan => {
    const where = `stage ${index + 1}`;
    const inputSlots = find(stage.inputs, where);
    if ("model" in stage && !modelNames.includes(stage.model)) {
      unknown(`${what}, ${where}`, "model", stage.model, modelNames);
    }
    const work: StageWork =
      "model" in stage
        ? { kind: "model", model: stage.model }
        : { kind: "function", run: stage.run, batchSize: stage.batchSize ?? null };
    const tag = stage.tag ?? ("model" in stage ? `model ${stage.model}` : stage.run.name || where);
    return { index, work, tag, inputSlots, outputSlots: declare(stage.outputs, where) };
  });
  requireDistinct(method.outputs, `${what}, outputs`);
  return {
    name,
    inputs: method.inputs,
    outputs: method.outputs,
    stages,
    outputSlots: find(method.outputs, "outputs"),
  };
}

function requireDistinct(names: readonly string[], what: string): void {
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new TroupeError("invalid_config", `${what}: "${twice}" is there twice.`);
}

function unknown(what: string, kind: string, name: string, known: readonly string[]): never {
  const near = nearestName(name, known);
  const hint =
    near !== undefined
      ? `Did you mean "${near}"?`
      : known.length > 0
        ? `Known here: ${known.join(", ")}.`
        : `No ${kind} is declared.`;
  throw new TroupeError("invalid_config", `${what}: there is no ${kind} "${name}". ${hint}`);
}
