/** A model of doubled numbers that notes its runs. */
import type { ModelPort, ServableModel } from "../../src/servables/model-batch.ts";
import type { ModelTensor } from "../../src/servables/model-tensor.ts";
import { type Tensor, tensor } from "../../src/servables/tensor.ts";

export interface FakeModel extends ServableModel {
  /** Elements of the first input of each run. */
  readonly runs: number[][];
}

const port = (
  name: string,
  dims: readonly (number | null)[],
  type: ModelPort["type"] = "float32",
): ModelPort => ({
  name,
  type,
  dims,
});

/** `y = 2 x`; other inputs are taken and not used. */
export function fakeModel(
  dims: readonly (number | null)[],
  others: readonly ModelPort[] = [],
  run?: (inputs: readonly ModelTensor[]) => ModelTensor[],
): FakeModel {
  const runs: number[][] = [];
  return {
    runs,
    inputs: [port("x", dims), ...others],
    outputs: [port("y", dims)],
    run(inputs) {
      const { shape, data } = inputs[0] as Tensor<"float32">;
      runs.push([...data]);
      if (run !== undefined) return run(inputs);
      return [
        tensor(
          "float32",
          shape,
          data.map((x) => 2 * x),
        ),
      ];
    },
  };
}

export { port };

export function row(...elements: readonly number[]): Tensor {
  return tensor("float32", [elements.length], elements);
}
