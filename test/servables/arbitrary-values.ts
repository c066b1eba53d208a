/** Any value that can go through a servable. */
import fc from "fast-check";
import { sizeOf, type Tensor, tensorFromBytes, type Value } from "../../src/servables/tensor.ts";
import { TENSOR_TYPES, type TensorType } from "../../src/servables/tensor-types.ts";

const types = Object.keys(TENSOR_TYPES) as TensorType[];
const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 });

/** Of every type and bit pattern; bools are 0 and 1. */
export const tensors: fc.Arbitrary<Tensor> = fc
  .record({ type: fc.constantFrom(...types), shape: shapes, isEmpty: fc.boolean() })
  .chain(({ type, shape, isEmpty }) => {
    const whole = isEmpty && shape.length > 0 ? [...shape.slice(0, -1), 0] : shape;
    const numBytes = sizeOf(whole) * TENSOR_TYPES[type].bytes;
    return fc
      .uint8Array({ minLength: numBytes, maxLength: numBytes, max: type === "bool" ? 1 : 255 })
      .map((bytes) => tensorFromBytes(type, whole, bytes));
  });

export const values: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: tensors },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => new Uint8Array(bytes)) },
);
