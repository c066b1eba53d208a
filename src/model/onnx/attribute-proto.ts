/**
 * Attributes of ONNX nodes. JavaScript has one number type and ONNX two, so a plain number is an integer and floats are
 * marked: `{ axis: -1, epsilon: float(1e-5), perm: [1, 0] }`.
 */
import { invariant } from "../../errors/troupe-error.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";
import { type DataType, inlineTensor } from "./tensor-proto.ts";

/** A float attribute; make it with {@link float}. */
export interface FloatAttribute {
  readonly kind: "float";
  readonly value: number;
}

/** A list of floats; make it with {@link floats}. */
export interface FloatsAttribute {
  readonly kind: "floats";
  readonly values: readonly number[];
}

/** A tensor attribute, its data inline. */
export interface TensorAttribute {
  readonly kind: "tensor";
  readonly dataType: DataType;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView;
}

/** What a node's attribute may be: int, ints, string, or one of the marked kinds. */
export type Attribute =
  | number
  | readonly number[]
  | string
  | FloatAttribute
  | FloatsAttribute
  | TensorAttribute;

const TYPE_FLOAT = 1;
const TYPE_INT = 2;
const TYPE_STRING = 3;
const TYPE_TENSOR = 4;
const TYPE_GRAPH = 5;
const TYPE_FLOATS = 6;
const TYPE_INTS = 7;

/** Marks a number as a float attribute. */
export function float(value: number): FloatAttribute {
  return { kind: "float", value };
}

/** Marks a list of numbers as a floats attribute. */
export function floats(values: readonly number[]): FloatsAttribute {
  return { kind: "floats", values };
}

/** One AttributeProto. */
export function attributeProto(name: string, attribute: Attribute): Uint8Array {
  const writer = new ProtobufWriter().string(1, name);
  if (typeof attribute === "number") {
    invariant(Number.isSafeInteger(attribute), `attribute ${name} = ${attribute}: mark floats with float()`);
    return writer.int(3, attribute).int(20, TYPE_INT).finish();
  }
  if (typeof attribute === "string") return writer.string(4, attribute).int(20, TYPE_STRING).finish();
  if (!("kind" in attribute)) {
    for (const value of attribute) writer.int(8, value);
    return writer.int(20, TYPE_INTS).finish();
  }
  switch (attribute.kind) {
    case "float":
      return writer.float(2, attribute.value).int(20, TYPE_FLOAT).finish();
    case "floats":
      for (const value of attribute.values) writer.float(7, value);
      return writer.int(20, TYPE_FLOATS).finish();
    case "tensor": {
      const tensor = inlineTensor(name, attribute.dataType, attribute.dims, attribute.data);
      return writer.message(5, tensor).int(20, TYPE_TENSOR).finish();
    }
  }
}

/** One AttributeProto that holds a graph, from its finished GraphProto. */
export function graphAttributeProto(name: string, graph: Uint8Array): Uint8Array {
  return new ProtobufWriter().string(1, name).message(6, graph).int(20, TYPE_GRAPH).finish();
}
