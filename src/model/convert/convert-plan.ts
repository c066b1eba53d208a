/** What becomes of each tensor of a checkpoint when it is converted: the tensors to write, in order, and how. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { SlabBuffers } from "../compile/weight-job.ts";
import type { Precision } from "../compiled-model.ts";
import {
  QUANTIZED_PRECISIONS,
  type QuantizedPrecision,
  storedForm,
  storedPartOf,
} from "../precisions/stored-form.ts";
import { isWeightType, type WeightType } from "../safetensors/element-types.ts";
import type { TensorSource } from "../safetensors/open-files.ts";
import type { TensorPlan } from "../safetensors/safetensors-writer.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import type { TensorCuts } from "../tensor-parallel/tensor-cuts.ts";
import type { WeightPrecision } from "../weights-manifest.ts";
import { castTensor, copyTensor, dequantizeTensor, quantizeTensor, type Sink } from "./tensor-streams.ts";

/** A tensor to write. Those of one file are streamed in order. */
export interface PlannedTensor extends TensorPlan {
  stream(buffers: SlabBuffers, sink: Sink): Promise<void>;
}

const FLOAT_TYPES = { fp32: "F32", bf16: "BF16", fp16: "F16" } as const satisfies Record<
  Exclude<WeightPrecision, QuantizedPrecision>,
  WeightType
>;

/** The precision that quantises, among the names of {@link WeightPrecision}. */
export function quantizedPrecision(name: WeightPrecision | Precision): QuantizedPrecision | null {
  return QUANTIZED_PRECISIONS.find((precision) => precision === name) ?? null;
}

/**
 * Plans a conversion.
 *
 * @param cuts what is known of the matrices
 * @returns what a tensor turns into
 * @throws TroupeError `invalid_model` when the checkpoint is quantised otherwise already
 */
export function planConversion(
  store: WeightStore,
  to: WeightPrecision,
  cuts: TensorCuts,
): (tensor: TensorSource) => readonly PlannedTensor[] {
  const from = store.quantization;
  const target = quantizedPrecision(to);
  if (from !== null && target !== null && from !== target) {
    const message = `The weights are quantised to ${from} already; convert the original to ${to}, or these back to a float type first`;
    throw new TroupeError("invalid_model", message, { details: { from, to } });
  }
  if (target !== null)
    return from === target ? copied : (tensor) => quantized(tensor, target, { store, cuts });
  const type = FLOAT_TYPES[to as keyof typeof FLOAT_TYPES];
  if (from === null) return (tensor) => [inType(tensor, type)];
  return (tensor) => dequantized(tensor, { from, type, store, cuts });
}

function copied(tensor: TensorSource): PlannedTensor[] {
  const { name, dataType, shape } = tensor;
  return [{ name, dataType, shape, stream: (buffers, sink) => copyTensor(tensor, buffers, sink) }];
}

function inType(tensor: TensorSource, type: WeightType): PlannedTensor {
  if (tensor.dataType === type || !isWeightType(tensor.dataType)) return copied(tensor)[0]!;
  const { name, shape } = tensor;
  return { name, dataType: type, shape, stream: (buffers, sink) => castTensor(tensor, type, buffers, sink) };
}

/** Everything but the matrices stays as it is; a table that is a matrix too stays beside its quantised form. */
function quantized(
  tensor: TensorSource,
  precision: QuantizedPrecision,
  { store, cuts }: { readonly store: WeightStore; readonly cuts: TensorCuts },
): PlannedTensor[] {
  const matrix = cuts.matrices.get(tensor.name);
  if (matrix === undefined || matrix.isFloat || !isWeightType(tensor.dataType)) return copied(tensor);
  const shape = [tensor.shape[0]!, matrix.inputs] as const;
  store.tensor(tensor.name, shape);
  const { values, scales } = storedForm(precision, tensor.name, shape);
  let computed: Float32Array | undefined;
  const { unitRows } = matrix;
  return [
    ...(cuts.tables.has(tensor.name) ? copied(tensor) : []),
    {
      ...values,
      async stream(buffers, sink) {
        computed = await quantizeTensor(tensor, { precision, unitRows }, buffers, sink);
      },
    },
    {
      ...scales,
      async stream(_buffers, sink) {
        sink(new Uint8Array(computed!.buffer));
        computed = undefined;
      },
    },
  ];
}

interface Dequantizing {
  readonly from: QuantizedPrecision;
  readonly type: WeightType;
  readonly store: WeightStore;
  readonly cuts: TensorCuts;
}

function dequantized(tensor: TensorSource, { from, type, store, cuts }: Dequantizing): PlannedTensor[] {
  const stored = storedPartOf(from, tensor.name);
  if (stored === null) return [inType(tensor, type)];
  const { tensor: name, part } = stored;
  // A table that is a matrix too is there as floats, which are better than what its quantised form stands for.
  if (part === "scales" || cuts.tables.has(name)) return [];
  const matrix = cuts.matrices.get(name);
  if (matrix === undefined) {
    throw new TroupeError("invalid_model", `${tensor.name} is of no matrix that the architecture has`);
  }
  const { inputs } = matrix;
  const shape = [tensor.shape[0]!, inputs] as const;
  return [
    {
      name,
      dataType: type,
      shape,
      stream: (buffers, sink) =>
        dequantizeTensor(
          store.quantizedMatrix(from, name, shape),
          { precision: from, inputs, to: type },
          buffers,
          sink,
        ),
    },
  ];
}
