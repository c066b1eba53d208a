/**
 * Instances joined to one run of a model and taken apart again. Knows shapes and types; what runs is behind
 * {@link ServableModel}.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import { joinColumn, type ModelTensor, splitColumn } from "./model-tensor.ts";
import type { ModelDeclaration } from "./servable-definition.ts";
import { bytesOfTensor, sizeOf, type Tensor, type Value } from "./tensor.ts";
import { TENSOR_TYPES, type TensorType } from "./tensor-types.ts";

/** One input or output of a model. */
export interface ModelPort {
  readonly name: string;
  readonly type: TensorType | "str";
  /** Null where the size is known only when the model runs. */
  readonly dims: readonly (number | null)[];
}

/** A loaded model. */
export interface ServableModel {
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
  /** Runs once: a tensor for each input, in order, to one for each output. @throws TroupeError `engine_failed` */
  run(inputs: readonly ModelTensor[]): ModelTensor[];
}

/** How instances share runs of a model. */
export class ModelBatch {
  readonly name: string;
  /** The most instances of one run. */
  readonly size: number;
  readonly model: ServableModel;
  readonly #withBatchDim: boolean;
  /** Runs have always `size` rows; missing ones are filled up. */
  readonly #isFixed: boolean;
  readonly #isShared: readonly boolean[];

  /** @throws TroupeError `invalid_config` when the model is not as declared */
  constructor(name: string, model: ServableModel, declaration: ModelDeclaration) {
    this.name = name;
    this.model = model;
    this.#withBatchDim = declaration.withBatchDim ?? true;
    const shared = new Set(declaration.withoutBatchDimInputs);
    for (const index of shared) {
      if (index < model.inputs.length && this.#withBatchDim) continue;
      const why = this.#withBatchDim ? `it has ${model.inputs.length} inputs` : "withBatchDim is false";
      throw wrong(name, `withoutBatchDimInputs names input ${index}, but ${why}`);
    }
    this.#isShared = model.inputs.map((_, index) => !this.#withBatchDim || shared.has(index));
    const fixed = this.#withBatchDim ? this.#fixedBatch() : 1;
    this.#isFixed = fixed !== null;
    if (fixed !== null && declaration.batchSize !== undefined && declaration.batchSize !== fixed) {
      throw wrong(name, `batchSize is ${declaration.batchSize}, but the model's own is ${fixed}`);
    }
    this.size = fixed ?? declaration.batchSize ?? DEFAULT_BATCH_SIZE;
  }

  /** The batch that the model's shapes fix; null when it is open. */
  #fixedBatch(): number | null {
    const { inputs, outputs } = this.model;
    const batched = [...inputs.filter((_, index) => !this.#isShared[index]), ...outputs];
    const scalar = batched.find(({ dims }) => dims.length === 0);
    if (scalar !== undefined)
      throw wrong(this.name, `"${scalar.name}" is a scalar and has no batch dimension`);
    const sizes = new Set(batched.map(({ dims }) => dims[0]!).filter((size) => size !== null));
    if (sizes.size > 1) throw wrong(this.name, `its batch dimensions differ: ${[...sizes].join(", ")}`);
    return [...sizes][0] ?? null;
  }

  /** Why the model cannot take these inputs; null when it can. */
  refuse(values: readonly Value[]): string | null {
    const { inputs } = this.model;
    if (values.length !== inputs.length) {
      return `Given model inputs size ${values.length} not match the inputs size ${inputs.length} of model ${this.name}`;
    }
    for (const [index, port] of inputs.entries()) {
      const reason = refuseValue(index, port, this.#itemDims(index), values[index]!);
      if (reason !== null) return reason;
    }
    return null;
  }

  /** Whether two instances, neither of which is refused, can share a run. */
  canJoin(a: readonly Value[], b: readonly Value[]): boolean {
    return this.#isShared.every((isShared, index) => {
      const left = a[index]!;
      const right = b[index]!;
      if (!isTensor(left) || !isTensor(right)) return !isShared || left === right;
      if (isShared)
        return sameShape(left, right) && Buffer.compare(bytesOfTensor(left), bytesOfTensor(right)) === 0;
      // equal elements are enough where the model says the shape itself
      return !this.#itemDims(index).includes(null) || sameShape(left, right);
    });
  }

  /**
   * Runs up to `size` instances that can join, none of them refused.
   *
   * @returns the outputs of each
   * @throws TroupeError `engine_failed`
   */
  run(instances: readonly (readonly Value[])[]): Value[][] {
    const numRows = this.#isFixed ? this.size : instances.length;
    const inputs = this.model.inputs.map((port, index) => {
      const dims = this.#itemDims(index);
      if (this.#isShared[index]) return joinColumn(port, [instances[0]![index]!], dims, null);
      // filled up with the first one, as good as any
      const rows = Array.from({ length: numRows }, (_, row) => (instances[row] ?? instances[0]!)[index]!);
      return joinColumn(port, rows, dims, numRows);
    });
    const outputs = this.model.run(inputs);
    const columns = outputs.map((output, index) =>
      splitColumn(this.model.outputs[index]!.name, output, this.#withBatchDim ? numRows : null),
    );
    return instances.map((_, row) => columns.map((column) => column[row]!));
  }

  /** Dimensions of one instance's input. */
  #itemDims(index: number): readonly (number | null)[] {
    const { dims } = this.model.inputs[index]!;
    return this.#isShared[index] ? dims : dims.slice(1);
  }
}

/** Of a model whose batch dimension is open. */
const DEFAULT_BATCH_SIZE = 32;

function refuseValue(
  index: number,
  port: ModelPort,
  dims: readonly (number | null)[],
  value: Value,
): string | null {
  const given = `Given model input ${index}`;
  const type = isTensor(value) ? value.type : typeof value === "string" ? "str" : "bytes";
  if (type !== port.type) {
    return `${given} data type ${type} not match the data type ${port.type} defined in model ("${port.name}")`;
  }
  const known = dims.filter((dim) => dim !== null);
  if (!isTensor(value))
    return sizeOf(known) === 1 ? null : `${given} is one text, the model wants [${known}]`;
  if (known.length === dims.length) {
    const { bytes } = TENSOR_TYPES[value.type];
    const wanted = sizeOf(known) * bytes;
    if (value.data.byteLength === wanted) return null;
    return `${given} size ${value.data.byteLength} not match the size ${wanted} defined in model ("${port.name}" is ${type}[${known.join(",")}], given shape [${value.shape.join(",")}])`;
  }
  const fits =
    value.shape.length === dims.length && dims.every((dim, i) => dim === null || dim === value.shape[i]);
  const wanted = dims.map((dim) => dim ?? "?").join(",");
  return fits
    ? null
    : `${given} shape [${value.shape.join(",")}] not match the shape [${wanted}] defined in model ("${port.name}")`;
}

function isTensor(value: Value): value is Tensor {
  return typeof value !== "string" && !(value instanceof Uint8Array);
}

function sameShape(a: Tensor, b: Tensor): boolean {
  return a.shape.length === b.shape.length && a.shape.every((dim, index) => dim === b.shape[index]);
}

function wrong(model: string, why: string): TroupeError {
  return new TroupeError("invalid_config", `Model ${model}: ${why}.`);
}
