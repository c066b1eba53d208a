/** Models of servables on ONNX Runtime: any ONNX file, its types checked, run on the calling thread. */
import type { Device } from "../config/device.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { ModelPort, ServableModel } from "../servables/model-batch.ts";
import type { ModelTensor } from "../servables/model-tensor.ts";
import type { TensorType } from "../servables/tensor-types.ts";
import { loadSession, type Port, type StringTensor, type Tensor, tensor } from "./onnx-runtime.ts";

/** A model that holds native memory until it is released. */
export interface LoadedModel extends ServableModel {
  release(): void;
}

/** @throws TroupeError `invalid_model` when ONNX Runtime refuses the file, or an input or output is of no type that can be sent */
export function loadServableModel(
  path: string,
  options: { readonly name: string; readonly threads: number; readonly device: Device },
): LoadedModel {
  const session = loadSession(path, { ...options, keepArena: true });
  const { inputNames, outputNames } = session;
  return {
    inputs: session.inputs.map((port) => toModelPort(options.name, port)),
    outputs: session.outputs.map((port) => toModelPort(options.name, port)),
    run(inputs) {
      const feeds = Object.fromEntries(inputs.map((input, index) => [inputNames[index]!, toFeed(input)]));
      const results = session.runAny(feeds, outputNames);
      return outputNames.map((name) => fromResult(results[name]!));
    },
    release: () => session.release(),
  };
}

function toModelPort(model: string, { name, type, dims }: Port): ModelPort {
  if (type === null) {
    const text = `Model ${model}: "${name}" is of a type that cannot be sent; tensors of numbers, bools and strings can.`;
    throw new TroupeError("invalid_model", text);
  }
  return { name, type: type === "string" ? "str" : type, dims };
}

function toFeed(input: ModelTensor): Tensor | StringTensor {
  const { type, shape, data } = input;
  if (type === "str")
    return { type: "string", dims: shape, location: "cpu", data: data as readonly string[] };
  if (type !== "float16") return tensor(type, data as Tensor["data"], shape);
  const { buffer, byteOffset, length } = data as Float16Array;
  return tensor("float16", new Uint16Array(buffer, byteOffset, length), shape);
}

function fromResult({ type, dims, data }: Tensor | StringTensor): ModelTensor {
  const shape = [...dims];
  if (type === "string") return { type: "str", shape, data: data as readonly string[] };
  // float16 comes as halves already
  return {
    type: type satisfies TensorType,
    shape,
    data: data as Exclude<ModelTensor, { type: "str" }>["data"],
  };
}
