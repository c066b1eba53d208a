/**
 * One input as JSON writes it: a scalar, a nested array, `{"b64"}` for raw bytes, or `{"type", "shape", "b64"}` for a
 * tensor. Integers are int32, floats float32.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import { WholeFloat } from "./number-json.ts";
import { sizeOf, type Tensor, tensor, tensorFromBytes, type Value } from "./tensor.ts";
import { TENSOR_TYPES, type TensorType, typeOfName } from "./tensor-types.ts";

type JsonObject = Readonly<Record<string, unknown>>;

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

/** @throws TroupeError `invalid_request` */
export function readJsonValue(value: unknown): Value {
  if (Array.isArray(value)) return readArray(value);
  if (typeof value === "string") return value;
  if (value === null) throw invalid("json value is null, it is not supported");
  const type = scalarType(value);
  if (type !== undefined) return tensor(type, [], toElement(type, value));
  return readObject(value as JsonObject);
}

function scalarType(value: unknown): "bool" | "int32" | "float32" | undefined {
  if (typeof value === "boolean") return "bool";
  if (value instanceof WholeFloat) return "float32";
  if (typeof value === "number") return Number.isInteger(value) ? "int32" : "float32";
  return undefined;
}

function toElement(type: TensorType, value: unknown): number {
  if (value instanceof WholeFloat) return value.value;
  const number = Number(value);
  if (type === "int32" && (number < INT32_MIN || number > INT32_MAX)) {
    const text = `json value ${number} is out of the range of int32; send {"type": "int64", "shape": [], "b64": ...}`;
    throw invalid(text);
  }
  return number;
}

function readArray(array: readonly unknown[]): Value {
  const { shape, first } = shapeOf(array);
  if (shape.length === 0) throw invalid("json array, shape is empty");
  if (first === undefined) throw invalid("json array, data type is unknown");
  if (typeof first === "string" || isObject(first)) return readOneItem(first, shape);
  const type = scalarType(first);
  if (type === undefined) throw invalid("json array, data should be number, bool, string or bytes");
  const elements = new Array<number>(sizeOf(shape));
  fill(elements, 0, array, 0, shape, type);
  return tensor(type, shape, elements);
}

/** By the first entry of each level, as the others must be like it; `first` is undefined below an empty array. */
function shapeOf(array: readonly unknown[]): { shape: number[]; first: unknown } {
  const shape: number[] = [];
  let current: unknown = array;
  while (Array.isArray(current)) {
    if (current.length === 0) return { shape, first: undefined };
    shape.push(current.length);
    current = current[0];
  }
  return { shape, first: current };
}

function fill(
  elements: number[],
  offset: number,
  json: unknown,
  depth: number,
  shape: readonly number[],
  type: TensorType,
): void {
  if (!Array.isArray(json)) throw invalid("invalid json array: json type is not array");
  const size = shape[depth]!;
  if (json.length !== size) {
    throw invalid(`invalid json array: json size is ${json.length}, the dim ${depth} expected to be ${size}`);
  }
  if (depth + 1 < shape.length) {
    const stride = sizeOf(shape.slice(depth + 1));
    for (let i = 0; i < size; i++) fill(elements, offset + i * stride, json[i], depth + 1, shape, type);
    return;
  }
  for (let i = 0; i < size; i++) {
    const value: unknown = json[i];
    const own = scalarType(value);
    if (own === undefined && typeof value !== "string") {
      throw invalid("json array, data should be number, bool, string or bytes");
    }
    if (own !== type) throw invalid("json array, elements type is not equal");
    elements[offset + i] = toElement(type, value);
  }
}

/** Text and bytes come one at a time: `["text"]` and `[{"b64": ...}]`. */
function readOneItem(item: string | JsonObject, shape: readonly number[]): Value {
  if (sizeOf(shape) !== 1) throw invalid("json array, string or bytes type only support one item");
  if (shape.length > 1) {
    const text = `bytes or string type input  shape can only be (1,) or empty, but given shape is [${shape.join(", ")}]`;
    throw invalid(`Instance tensor check failed: ${text}`);
  }
  const value = typeof item === "string" ? item : readObject(item);
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  throw invalid("json array, item is object type, object only support string or bytes type");
}

function readObject(object: JsonObject): Value {
  const keys = Object.keys(object);
  if (keys.length === 0) throw invalid("json object, value is empty");
  if (keys.length > 3) {
    throw invalid("json object, items size is more than 3, only support specified ['b64', 'type', 'shape']");
  }
  const unknown = keys.find((key) => key !== "b64" && key !== "type" && key !== "shape");
  if (unknown !== undefined) {
    throw invalid(`json object, key is not ['b64', 'type', 'shape'], fail key:${unknown.slice(0, 100)}`);
  }
  const type = readType(object);
  const shape = readShape(object);
  if (!keys.includes("b64")) throw invalid("json object, 'b64' should be specified only one time");
  const { b64 } = object;
  if (typeof b64 !== "string") {
    throw invalid("get scalar data failed, type is string, but json is not string type");
  }
  if (type !== "str" && type !== "bytes") return readTensor(type, shape, decodeBase64(b64));
  if (sizeOf(shape) !== 1) {
    throw invalid(
      "json object, only support scalar when data type is string or bytes, please check 'type' or 'shape'",
    );
  }
  const bytes = decodeBase64(b64);
  return type === "str" ? new TextDecoder().decode(bytes) : bytes;
}

function readType({ type = "bytes" }: JsonObject): TensorType | "str" | "bytes" {
  if (typeof type !== "string") throw invalid("json object, key is 'type', value should be string type");
  const known = typeOfName(type);
  if (known === undefined) {
    throw invalid(`json object, specified type:'${type.slice(0, 100)}' is illegal`);
  }
  return known;
}

function readShape({ shape = [] }: JsonObject): number[] {
  if (!Array.isArray(shape)) throw invalid("json object, key is 'shape', value should be array type");
  const dims = shape.map((dim: unknown) => {
    if (typeof dim === "number" && Number.isSafeInteger(dim) && dim >= 0) return dim;
    throw invalid("json object, key is 'shape', array value should be unsigned integer");
  });
  const zero = dims.indexOf(0);
  if (zero >= 0 && zero < dims.length - 1) {
    throw invalid(`json object, key is 'shape', invalid shape value ${JSON.stringify(dims)}`);
  }
  return dims;
}

function readTensor(type: TensorType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const numElements = sizeOf(shape);
  const elementBytes = TENSOR_TYPES[type].bytes;
  if (bytes.length === numElements * elementBytes) return tensorFromBytes(type, shape, bytes);
  const given = `type:${type}; type size:${elementBytes}; element nums:${numElements}`;
  throw invalid(`size is not matched, decode base64 size:${bytes.length}; Given info: ${given}`);
}

function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw invalid(`'${text.slice(0, 100)}' is illegal b64 encode string`);
  const bytes = Buffer.from(text, "base64");
  // Buffer skips over what is no base64.
  const numPadding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  if (bytes.length !== (text.length / 4) * 3 - numPadding || /[-_]/.test(text)) {
    throw invalid("decode base64 failed, size is not matched.");
  }
  return new Uint8Array(bytes);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function invalid(message: string): TroupeError {
  return new TroupeError("invalid_request", message);
}
