/** What an ONNX file takes, gives and computes with, read without its weights and without ONNX Runtime. */
import { TroupeError } from "../../errors/troupe-error.ts";
import { FieldFile, type FileField } from "./file-fields.ts";
import { DATA_TYPES, type DataType } from "./tensor-proto.ts";

/** An input or output. */
export interface GraphValue {
  readonly name: string;
  /** Null for element types that Troupe does not know, and for what is no tensor. */
  readonly type: DataType | null;
  /** A size, the name of one that is known when the graph runs, or null where the file says nothing. Null: any rank. */
  readonly dims: readonly (number | string | null)[] | null;
}

/** See the module header. */
export interface GraphHeader {
  readonly path: string;
  /** Without those that have a value in the file. */
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  /** Names of all operators, those of bodies too. */
  readonly operators: ReadonlySet<string>;
}

/** Numbers of fields in onnx.proto. */
const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const NODE = { opType: 4, attribute: 5 } as const;
const ATTRIBUTE_GRAPH = 6;
const TENSOR_NAME = 8;

/**
 * Reads the header of an ONNX file.
 *
 * @throws TroupeError `file_error` when the file cannot be read, `invalid_model` when it is no ONNX model
 * @example
 * ```ts
 * const { inputs } = readGraphHeader("decode.onnx");
 * inputs[0]; // { name: "input_ids", type: "int64", dims: ["batch", 1] }
 * ```
 */
export function readGraphHeader(path: string): GraphHeader {
  using file = new FieldFile(path);
  const graph = find(file, { start: 0, end: file.size }, MODEL_GRAPH);
  if (graph === undefined)
    throw new TroupeError("invalid_model", `${path} is no ONNX model: it has no graph.`, {
      details: { path },
    });
  const inputs: GraphValue[] = [];
  const outputs: GraphValue[] = [];
  const operators = new Set<string>();
  const initialized = new Set<string>();
  for (const field of file.fields(graph.start, graph.end)) {
    if (field.number === GRAPH.input) inputs.push(readValue(file, field));
    else if (field.number === GRAPH.output) outputs.push(readValue(file, field));
    else if (field.number === GRAPH.node) collectOperators(file, field, operators);
    else if (field.number === GRAPH.initializer) initialized.add(textOf(file, field, TENSOR_NAME));
  }
  return { path, inputs: inputs.filter(({ name }) => !initialized.has(name)), outputs, operators };
}

type Place = Pick<FileField, "start" | "end">;

function find(file: FieldFile, { start, end }: Place, number: number): FileField | undefined {
  for (const field of file.fields(start, end)) if (field.number === number) return field;
  return undefined;
}

function textOf(file: FieldFile, place: Place, number: number): string {
  const field = find(file, place, number);
  return field === undefined ? "" : file.text(field);
}

function collectOperators(file: FieldFile, node: Place, operators: Set<string>): void {
  for (const field of file.fields(node.start, node.end)) {
    if (field.number === NODE.opType) operators.add(file.text(field));
    if (field.number !== NODE.attribute) continue;
    const body = find(file, field, ATTRIBUTE_GRAPH);
    if (body === undefined) continue;
    for (const inner of file.fields(body.start, body.end))
      if (inner.number === GRAPH.node) collectOperators(file, inner, operators);
  }
}

/** ValueInfoProto: name 1, type 2 { tensor 1 { element type 1, shape 2 { dim 1 { value 1, name 2 } } } }. */
function readValue(file: FieldFile, value: Place): GraphValue {
  const name = textOf(file, value, 1);
  const type = find(file, value, 2);
  const tensor = type && find(file, type, 1);
  if (tensor === undefined) return { name, type: null, dims: null };
  const code = find(file, tensor, 1)?.varint;
  const known = Object.entries(DATA_TYPES).find(([, dataType]) => dataType.code === code);
  const shape = find(file, tensor, 2);
  return {
    name,
    type: (known?.[0] as DataType | undefined) ?? null,
    dims: shape === undefined ? null : readDims(file, shape),
  };
}

function readDims(file: FieldFile, shape: Place): (number | string | null)[] {
  const dims: (number | string | null)[] = [];
  for (const dim of file.fields(shape.start, shape.end)) {
    const size = find(file, dim, 1)?.varint;
    const symbol = find(file, dim, 2);
    dims.push(size ?? (symbol === undefined ? null : file.text(symbol)));
  }
  return dims;
}
