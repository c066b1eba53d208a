/** How a servable is written: its models, and methods as stages between named values. */
import type { Value } from "./tensor.ts";
import type { ValueLike } from "./value-from.ts";

/**
 * An ONNX model of a servable.
 *
 * @example
 * ```ts
 * const model: ModelDeclaration = { file: "resnet50.onnx", withoutBatchDimInputs: [1] };
 * ```
 */
export interface ModelDeclaration {
  /** Beside the module that defines the servable (see {@link ServableDefinition.version}), or a URL. */
  readonly file: string | URL;
  /** Whether the first dimension of inputs and outputs is the batch; default true. False runs one instance at a time. */
  readonly withBatchDim?: boolean;
  /** Inputs, by position, that have no batch dimension in a model that has one. Only instances that agree on them share a run. */
  readonly withoutBatchDimInputs?: readonly number[];
  /** The most instances of one run, for a model whose batch dimension is not a number; default 32. */
  readonly batchSize?: number;
}

/**
 * What a stage function gets after its inputs.
 *
 * @example
 * ```ts
 * const score: StageFunction = (image: Tensor, { models }: StageContext) => models.net!.run([[image]])[0]![0];
 * ```
 */
export interface StageContext {
  /** The servable's models by name, to be run from inside a function. */
  readonly models: Readonly<Record<string, ModelHandle>>;
}

/** A model that a stage function runs itself. */
export interface ModelHandle {
  /** Runs instances, each a list of inputs, in batches; gives the outputs of each. @throws TroupeError `invalid_request`, `engine_failed` */
  run(instances: readonly (readonly Value[])[]): Value[][];
}

/**
 * A function of the user's. Without a `batchSize` it gets the inputs of one instance, each as an argument, and returns its
 * output, or a list of them where the stage names several. With one it gets a list of instances, each a list of inputs,
 * and returns or yields one such result for each. Both may be async.
 */
export type StageFunction = (...inputs: never[]) => unknown;

/** What every stage has. */
interface StageParts {
  /** Names of values: the method's inputs, or what earlier stages put out. */
  readonly inputs: readonly string[];
  /** Names for what comes out; later stages and the method's outputs refer to them. A name used again hides the earlier value. */
  readonly outputs: readonly string[];
  /** What to call the stage in errors: `Preprocess`. */
  readonly tag?: string;
}

/** A stage that calls a function. */
export interface FunctionStage extends StageParts {
  readonly run: StageFunction;
  /** Absent: one instance at a time. 0: up to as many as the servable's largest model takes. Else up to so many. */
  readonly batchSize?: number;
}

/** A stage that runs a model; its inputs and outputs are the model's, in the model's order. */
export interface ModelStage<ModelName extends string = string> extends StageParts {
  readonly model: ModelName;
}

/** A method: what clients call. */
export interface MethodDefinition<ModelName extends string = string> {
  /** Names of the inputs that clients send. */
  readonly inputs: readonly string[];
  readonly stages: readonly (FunctionStage | ModelStage<ModelName>)[];
  /** Names of the values that clients get. */
  readonly outputs: readonly string[];
}

/** A servable: what {@link defineServable} takes. */
export interface ServableDefinition<ModelName extends string = string> {
  readonly name: string;
  /**
   * From 1. Without one, versions are numbered folders beside the module, which hold the models' files, and whoever
   * starts the servable chooses one.
   */
  readonly version?: number;
  readonly models?: Readonly<Record<ModelName, ModelDeclaration>>;
  readonly methods: Readonly<Record<string, MethodDefinition<NoInfer<ModelName>>>>;
}

/** Types for functions as they are usually written. */
export type { Value, ValueLike };

/**
 * Defines a servable; its module has the definition as its default export. The module is loaded on a thread of its own
 * for each worker, so its functions may take their time.
 *
 * @example
 * ```ts
 * export default defineServable({
 *   name: "digits",
 *   version: 1,
 *   models: { net: { file: "digits.onnx" } },
 *   methods: {
 *     classify_top1: {
 *       inputs: ["image"],
 *       stages: [
 *         { run: decode, inputs: ["image"], outputs: ["pixels"], tag: "Preprocess" },
 *         { model: "net", inputs: ["pixels"], outputs: ["scores"] },
 *         { run: best, inputs: ["scores"], outputs: ["label"], tag: "Postprocess" },
 *       ],
 *       outputs: ["label"],
 *     },
 *   },
 * });
 * ```
 */
export function defineServable<const ModelName extends string = never>(
  definition: ServableDefinition<ModelName>,
): ServableDefinition<ModelName> {
  return definition;
}
