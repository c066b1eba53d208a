/**
 * Builds an ONNX model node by node and gives its bytes. Values are their names; every use of an unknown name is caught
 * while building, where the mistake is, and not by ONNX Runtime, where it is a riddle.
 */
import { invariant } from "../../errors/troupe-error.ts";
import { type Attribute, attributeProto, graphAttributeProto } from "./attribute-proto.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";
import {
  DATA_TYPES,
  type DataType,
  type ExternalData,
  externalTensor,
  inlineTensor,
} from "./tensor-proto.ts";

/** The name of a value: a graph input, an initialiser or a node's output. "" leaves out an optional input. */
export type Value = string;

/** A dimension: a size, or the name of one that is known when the graph runs. */
export type Dim = number | string;

const IR_VERSION = 10;
const DEFAULT_OPSET = 21;
const CONTRIB_DOMAIN = "com.microsoft";

interface NodeRecord {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Graphs inside the node, by attribute. */
  readonly bodies?: Readonly<Record<string, Body>>;
}

/** A graph, or one inside a node. */
interface Scope {
  readonly nodes: NodeRecord[];
  /** Types of values that are neither inputs nor outputs. */
  readonly valueInfos: Uint8Array[];
}

interface Body extends Scope {
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Value[];
}

/** What a value is. */
export interface ValueType {
  readonly dataType: DataType;
  readonly dims: readonly Dim[];
}

/**
 * A graph under construction.
 *
 * @example
 * ```ts
 * const g = new GraphBuilder("gate");
 * const x = g.input("x", "float32", ["tokens", 64]);
 * const w = g.initializer("w", "float32", [64, 160], weights);
 * const y = g.node("MatMul", [x, w]); // [tokens, 160]
 * g.output("y", g.node("com.microsoft.QuickGelu", [y], { alpha: float(1) }), "float32", ["tokens", 160]);
 * const bytes = g.build();
 * ```
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #opset: number;
  readonly #known = new Set<Value>([""]);
  /** Values made inside a body: their names stay taken, but nothing outside may use them. */
  readonly #hidden = new Set<Value>();
  #scope: Scope = { nodes: [], valueInfos: [] };
  readonly #initializers: Uint8Array[] = [];
  readonly #inputs: Uint8Array[] = [];
  readonly #outputs: Uint8Array[] = [];
  readonly #renamed = new Map<Value, Value>();

  /** `opset` is the version of the standard operators; contrib operators are always version 1. */
  constructor(name: string, options: { readonly opset?: number } = {}) {
    this.#name = name;
    this.#opset = options.opset ?? DEFAULT_OPSET;
  }

  /** Declares a graph input. */
  input(name: string, dataType: DataType, dims: readonly Dim[]): Value {
    this.#inputs.push(valueInfo(name, dataType, dims));
    return this.#declare(name);
  }

  /** Declares `value`, which a node made, as the graph output `name`. */
  output(name: string, value: Value, dataType: DataType, dims: readonly Dim[]): void {
    const made = this.#scope.nodes.some((node) => node.outputs.includes(value));
    invariant(
      made && !this.#renamed.has(value),
      `graph output ${name}: ${value} must be made by a node, once`,
    );
    if (value !== name) this.#declare(name);
    this.#renamed.set(value, name);
    this.#outputs.push(valueInfo(name, dataType, dims));
  }

  /** A constant kept inside the model bytes. */
  initializer(name: string, dataType: DataType, dims: readonly number[], data: ArrayBufferView): Value {
    this.#initializers.push(inlineTensor(name, dataType, dims, data));
    return this.#declare(name);
  }

  /** A constant in a file beside the model. */
  externalInitializer(name: string, dataType: DataType, dims: readonly number[], data: ExternalData): Value {
    this.#initializers.push(externalTensor(name, dataType, dims, data));
    return this.#declare(name);
  }

  /** A one-dimensional int64 constant (axes, shapes, split sizes); the same numbers are stored once. */
  int64s(values: readonly number[]): Value {
    const name = `int64s(${values.join(",")})`;
    if (this.#known.has(name)) return name;
    return this.initializer(name, "int64", [values.length], BigInt64Array.from(values, BigInt));
  }

  /** A scalar float32 constant; the same number is stored once. */
  float32(value: number): Value {
    const name = `float32(${value})`;
    return this.#known.has(name) ? name : this.initializer(name, "float32", [], Float32Array.of(value));
  }

  /** A float32 constant; the same numbers in the same dimensions are stored once. */
  float32s(dims: readonly number[], values: readonly number[]): Value {
    const name = `float32s[${dims.join(",")}](${values.join(",")})`;
    return this.#known.has(name) ? name : this.initializer(name, "float32", dims, Float32Array.from(values));
  }

  /** A scalar constant of another type, from its one element; the same one is stored once. */
  constant(dataType: DataType, element: ArrayBufferView & { readonly length: number }): Value {
    const name = `${dataType}(${String(element)})`;
    return this.#known.has(name) ? name : this.initializer(name, dataType, [], element);
  }

  /** Adds a node with one output. Contrib operators are written with their domain: `com.microsoft.FusedMatMul`. */
  node(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.multiNode(op, inputs, [op.slice(op.lastIndexOf(".") + 1)], attributes)[0]!;
  }

  /** Adds a node with several outputs, named by `outputs` (made unique); "" leaves an optional output out. */
  multiNode(
    op: string,
    inputs: readonly Value[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value[] {
    const dot = op.lastIndexOf(".");
    for (const input of inputs) {
      const visible = this.#known.has(input) && !this.#hidden.has(input);
      invariant(visible, `${op}: unknown input value ${input}`);
    }
    const names = outputs.map((output) => (output === "" ? "" : this.#declare(this.#freeName(output))));
    this.#scope.nodes.push({
      opType: op.slice(dot + 1),
      domain: op.slice(0, Math.max(dot, 0)),
      inputs,
      outputs: names,
      attributes,
    });
    return names;
  }

  /**
   * Says the shape of a value where ONNX Runtime cannot tell. Names of dimensions count: an operator writes into the memory of
   * its input only where both shapes are known to be the same.
   */
  shaped(value: Value, { dataType, dims }: ValueType): Value {
    this.#scope.valueInfos.push(valueInfo(value, dataType, dims));
    return value;
  }

  /**
   * Adds an `If`: the value that `then` or `otherwise` makes, of which only one runs. Both may use every value made so
   * far; what they make themselves is not seen outside.
   *
   * @param condition bool [1]
   * @example
   * ```ts
   * const rows = g.conditional(any, () => expert(g, x), () => g.node("Identity", [none]));
   * ```
   */
  conditional(condition: Value, then: () => Value, otherwise: () => Value): Value {
    const branch = (build: () => Value) => this.#body([], () => [build()]);
    return this.#nodeWith("If", [condition], {
      then_branch: branch(then),
      else_branch: branch(otherwise),
    });
  }

  /**
   * Adds a `Loop`: `step` makes of a state the next one, `count` times over, and what it makes may use every value made so
   * far. Nothing of it is seen outside but the last state.
   *
   * @param count int64 [1]
   * @param initial of `type`, which every state is of
   * @param step its index is int64 [], from 0
   * @example
   * ```ts
   * const sum = g.repeat(count, zero, { dataType: "float32", dims: [8] }, (index, sum) => g.node("Add", [sum, row(index)]));
   * ```
   */
  repeat(
    count: Value,
    initial: Value,
    { dataType, dims }: ValueType,
    step: (index: Value, state: Value) => Value,
  ): Value {
    const [index, goOn, state] = ["index", "goOn", "state"].map((hint) =>
      this.#declare(this.#freeName(hint)),
    ) as [Value, Value, Value];
    const inputs = [
      valueInfo(index, "int64", []),
      valueInfo(goOn, "bool", []),
      valueInfo(state, dataType, dims),
    ];
    const body = this.#body(inputs, () => {
      const next = step(index, state);
      return [this.node("Identity", [goOn]), next];
    });
    for (const value of [index, goOn, state]) this.#hidden.add(value);
    return this.#nodeWith("Loop", [count, "", initial], { body });
  }

  #nodeWith(op: string, inputs: readonly Value[], bodies: Readonly<Record<string, Body>>): Value {
    const result = this.node(op, inputs);
    const { nodes } = this.#scope;
    nodes.push({ ...nodes.pop()!, bodies });
    return result;
  }

  #body(inputs: readonly Uint8Array[], build: () => readonly Value[]): Body {
    const outside = this.#scope;
    const inside: Scope = { nodes: [], valueInfos: [] };
    this.#scope = inside;
    const outputs = build();
    this.#scope = outside;
    const made = inside.nodes.flatMap((node) => node.outputs);
    for (const output of outputs)
      invariant(made.includes(output), `a body's output ${output} must be made inside it`);
    for (const value of made) if (value !== "") this.#hidden.add(value);
    return { ...inside, inputs, outputs };
  }

  /** The finished ModelProto. */
  build(): Uint8Array<ArrayBuffer> {
    const graph = new ProtobufWriter();
    const { nodes, valueInfos } = this.#scope;
    for (const [index, node] of nodes.entries()) graph.message(1, this.#nodeProto(node, `${index}`));
    graph.string(2, this.#name);
    for (const initializer of this.#initializers) graph.message(5, initializer);
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    for (const info of valueInfos) graph.message(13, info);
    return new ProtobufWriter()
      .int(1, IR_VERSION)
      .string(2, "troupe")
      .message(7, graph.finish())
      .message(8, new ProtobufWriter().string(1, "").int(2, this.#opset).finish())
      .message(8, new ProtobufWriter().string(1, CONTRIB_DOMAIN).int(2, 1).finish())
      .finish();
  }

  #nodeProto(node: NodeRecord, index: string): Uint8Array {
    const final = (value: Value) => this.#renamed.get(value) ?? value;
    const writer = new ProtobufWriter();
    for (const input of node.inputs) writer.string(1, final(input));
    for (const output of node.outputs) writer.string(2, final(output));
    writer.string(3, `${node.opType}_${index}`).string(4, node.opType);
    for (const [name, attribute] of Object.entries(node.attributes)) {
      writer.message(5, attributeProto(name, attribute));
    }
    for (const [name, body] of Object.entries(node.bodies ?? {})) {
      const graph = this.#bodyProto(body, `${index}_${name}`);
      writer.message(5, graphAttributeProto(name, graph));
    }
    return writer.string(7, node.domain).finish();
  }

  #bodyProto({ inputs, nodes, outputs, valueInfos }: Body, name: string): Uint8Array {
    const graph = new ProtobufWriter();
    for (const [index, node] of nodes.entries()) graph.message(1, this.#nodeProto(node, `${name}_${index}`));
    graph.string(2, name);
    for (const input of inputs) graph.message(11, input);
    // ONNX Runtime infers their types.
    for (const output of outputs) graph.message(12, new ProtobufWriter().string(1, output).finish());
    for (const info of valueInfos) graph.message(13, info);
    return graph.finish();
  }

  #declare(name: Value): Value {
    invariant(!this.#known.has(name), `graph ${this.#name}: the name ${name} is used twice`);
    this.#known.add(name);
    return name;
  }

  #freeName(hint: string): string {
    if (!this.#known.has(hint)) return hint;
    for (let count = 1; ; count++) {
      const name = `${hint}_${count}`;
      if (!this.#known.has(name)) return name;
    }
  }
}

function valueInfo(name: string, dataType: DataType, dims: readonly Dim[]): Uint8Array {
  const shape = new ProtobufWriter();
  for (const dim of dims) {
    const writer = new ProtobufWriter();
    shape.message(1, (typeof dim === "number" ? writer.int(1, dim) : writer.string(2, dim)).finish());
  }
  const tensor = new ProtobufWriter().int(1, DATA_TYPES[dataType].code).message(2, shape.finish()).finish();
  const type = new ProtobufWriter().message(1, tensor).finish();
  return new ProtobufWriter().string(1, name).message(2, type).finish();
}
