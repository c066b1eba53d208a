/** The reply of a REST request, byte for byte as MindSpore Serving writes it: names sorted, no spaces, floats with a point. */
import { floatText } from "./number-json.ts";
import type { InstanceResult } from "./status.ts";
import { sizeOf, type Tensor, type Value } from "./tensor.ts";
import { TENSOR_TYPES } from "./tensor-types.ts";

/**
 * @param outputs names of the method's outputs, in the order of the results' values
 * @example
 * ```ts
 * instancesText(["y"], [{ kind: "outputs", values: [tensor("float32", [2], [1, 2])] }]);
 * // '{"instances":[{"y":[1.0,2.0]}]}'
 * ```
 */
export function instancesText(outputs: readonly string[], results: readonly InstanceResult[]): string {
  const order = outputs.map((name, index) => ({ name, index }));
  order.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const texts = results.map((result) => {
    if (result.kind === "failed") return errorText(result.failure.message);
    const fields = order.map(
      ({ name, index }) => `${JSON.stringify(name)}:${valueText(result.values[index]!)}`,
    );
    return `{${fields.join(",")}}`;
  });
  return `{"instances":[${texts.join(",")}]}`;
}

/** `{"error_msg":"..."}`: of an instance, or of the request as a whole. */
export function errorText(message: string): string {
  return `{"error_msg":${JSON.stringify(message)}}`;
}

function valueText(value: Value): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return `{"b64":"${Buffer.from(value).toString("base64")}"}`;
  return arrayText(value, elementText(value), 0, 0);
}

function arrayText(
  tensor: Tensor,
  element: (index: number) => string,
  depth: number,
  offset: number,
): string {
  const { shape } = tensor;
  if (depth === shape.length) return element(offset);
  const stride = sizeOf(shape.slice(depth + 1));
  const parts: string[] = [];
  for (let i = 0; i < shape[depth]!; i++)
    parts.push(arrayText(tensor, element, depth + 1, offset + i * stride));
  return `[${parts.join(",")}]`;
}

function elementText({ type, data }: Tensor): (index: number) => string {
  switch (TENSOR_TYPES[type].kind) {
    case "bool":
      return (index) => (data[index] === 0 ? "false" : "true");
    case "int":
      return (index) => String(data[index]);
    case "float":
      return (index) => floatText(Number(data[index]));
  }
}
