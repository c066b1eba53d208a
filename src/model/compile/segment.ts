/**
 * One segment under construction: its graph, and the weights that will fill its data file. Every weight has its place
 * before the first byte is read, so shapes are checked before anything is written.
 */
import type { LinearDescription, RowRange } from "../decoder-description.ts";
import { GraphBuilder, type Value } from "../onnx/graph-builder.ts";
import { type DataType, EXTERNAL_ALIGNMENT, tensorBytes } from "../onnx/tensor-proto.ts";
import type { LinearForm } from "../precisions/linear-form.ts";
import type { QuantizedPrecision } from "../precisions/stored-form.ts";
import { WEIGHT_TYPES } from "../safetensors/element-types.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import { weightsFile } from "./compiled-file.ts";
import type { EncodeStored } from "./stored-job.ts";
import { scaleToUnitRows } from "./unit-rows.ts";
import { type EncodeSlab, tensorShape, type WeightJob } from "./weight-job.ts";

/** A weight's place. */
export interface PlacedWeight {
  readonly value: Value;
  /** Where it begins in the data file. */
  readonly position: number;
}

/** What a segment may share or need. */
export interface SegmentOptions {
  /** Default: a file of its own, named as it is. */
  readonly weightsFile?: string;
  /** Of the standard operators. */
  readonly opset?: number;
}

/** A segment as the blocks see it. */
export class Segment {
  readonly name: string;
  readonly graph: GraphBuilder;
  /** How linear layers are stored and multiplied. */
  readonly linearForm: LinearForm;
  readonly jobs: WeightJob[] = [];
  /** Begins the names of weights from now on, where several layers stand in one graph. */
  scope = "";
  /** Its external data, beside it. */
  readonly weightsFile: string;
  readonly #store: WeightStore;
  #end = 0;

  constructor(name: string, linearForm: LinearForm, store: WeightStore, options: SegmentOptions = {}) {
    this.name = name;
    this.weightsFile = options.weightsFile ?? weightsFile(this.graphFile);
    this.graph = new GraphBuilder(name, options);
    this.linearForm = linearForm;
    this.#store = store;
  }

  /** The graph, in the compiled model's folder. */
  get graphFile(): string {
    return `${this.name}.onnx`;
  }

  /** Bytes of the data file. */
  get weightBytes(): number {
    return this.#end;
  }

  /** Makes room for a weight in the data file. */
  place(name: string, dataType: DataType, dims: readonly number[]): PlacedWeight {
    const position = Math.ceil(this.#end / EXTERNAL_ALIGNMENT) * EXTERNAL_ALIGNMENT;
    const length = tensorBytes(dataType, dims);
    this.#end = position + length;
    const data = { location: this.weightsFile, offset: position, length };
    return { value: this.graph.externalInitializer(`${this.scope}${name}`, dataType, dims, data), position };
  }

  /**
   * Has stacked rows encoded into the data file.
   *
   * @throws TroupeError `invalid_model` when a tensor is missing or of another shape.
   */
  encode(ranges: readonly RowRange[], columns: number | null, encode: EncodeSlab): void {
    for (const range of ranges) this.#store.tensor(range.tensor, tensorShape(range, columns));
    this.jobs.push({ kind: "encode", ranges, columns, encode });
  }

  /**
   * Has the weight of a linear layer encoded. First its rows are brought to unit length where the layer says so, and cut
   * down to its columns where it does not have all.
   */
  encodeLinear(linear: LinearDescription, encode: EncodeSlab): void {
    this.encode(linear.weight, linear.inputs, (slab, file) => {
      if (linear.unitRows) scaleToUnitRows(slab.values, slab.numRows);
      encode(slab, file);
    });
  }

  /**
   * As {@link encodeLinear} for a precision that quantises: from floats, or from values that the checkpoint holds
   * quantised already.
   *
   * @throws TroupeError `invalid_model` when one is missing, of another shape, or cut where its blocks are not.
   */
  encodeMatrix(
    linear: LinearDescription,
    precision: QuantizedPrecision,
    encode: { readonly floats: EncodeSlab; readonly stored: EncodeStored },
  ): void {
    if (this.#store.quantization === null) {
      this.encodeLinear(linear, encode.floats);
      return;
    }
    const { weight: ranges, inputs } = linear;
    const sources = ranges.map((range) =>
      this.#store.quantizedMatrix(precision, range.tensor, [range.tensorRows, inputs]),
    );
    this.jobs.push({ kind: "stored", ranges, sources, encode: encode.stored });
  }

  /** A float32 vector put together from ranges, with `offset` added to each element. */
  vector(name: string, ranges: readonly RowRange[], offset = 0): Value {
    const length = ranges.reduce((sum, range) => sum + range.numRows, 0);
    const { value, position } = this.place(name, "float32", [length]);
    this.encode(ranges, null, ({ values, firstRow }, file) => {
      for (let i = 0; i < values.length; i++) values[i]! += offset;
      file.write(values, position + 4 * firstRow);
    });
    return value;
  }

  /** A matrix in the checkpoint's own element type. [numRows, columns] */
  table(name: string, tensorName: string, shape: readonly [number, number]): Value {
    const tensor = this.#store.tensor(tensorName, shape);
    const { value, position } = this.place(name, WEIGHT_TYPES[tensor.dataType], shape);
    this.jobs.push({ kind: "copy", tensor, position });
    return value;
  }
}
