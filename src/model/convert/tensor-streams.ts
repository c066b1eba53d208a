/**
 * Tensors on their way from a checkpoint into a file, a slab at a time: as they are, in another float type, quantised, or
 * back from that. What is held besides the slab is the scales of one matrix.
 */
import { invariant, TroupeError } from "../../errors/troupe-error.ts";
import { scaleToUnitRows } from "../compile/unit-rows.ts";
import { checkFinite, SLAB_ELEMENTS, type SlabBuffers } from "../compile/weight-job.ts";
import { MATRIX_CODECS } from "../precisions/matrix-codec.ts";
import type { QuantizedPrecision, StoredForm } from "../precisions/stored-form.ts";
import { ELEMENT_BYTES, isWeightType, narrow, type WeightType, widen } from "../safetensors/element-types.ts";
import type { TensorSource } from "../safetensors/open-files.ts";

/** Takes the next bytes of a tensor. They are the sender's again when it returns; it throws to stop. */
export type Sink = (bytes: Uint8Array) => void;

/** The bytes as they are. */
export async function copyTensor(source: TensorSource, buffers: SlabBuffers, sink: Sink): Promise<void> {
  const { bytes } = buffers;
  for (let offset = 0; offset < source.numBytes; offset += bytes.byteLength) {
    const slab = new Uint8Array(bytes, 0, Math.min(bytes.byteLength, source.numBytes - offset));
    await source.read(offset, slab);
    sink(slab);
  }
}

/**
 * The values in another float type.
 *
 * @throws TroupeError `invalid_model` for a value that is too large for it
 */
export async function castTensor(
  source: TensorSource,
  to: WeightType,
  buffers: SlabBuffers,
  sink: Sink,
): Promise<void> {
  const numElements = source.shape.reduce((product, dim) => product * dim, 1);
  for (let start = 0; start < numElements; start += SLAB_ELEMENTS) {
    const values = await readFloats(source, start, Math.min(SLAB_ELEMENTS, numElements - start), buffers);
    sink(narrowed(values, to, source.name, buffers));
  }
}

/**
 * A matrix [outputs, inputs] quantised.
 *
 * @param unitRows bring rows to unit length first
 * @returns its scales
 * @throws TroupeError `invalid_model` for a value that is no number
 */
export async function quantizeTensor(
  source: TensorSource,
  { precision, unitRows }: { readonly precision: QuantizedPrecision; readonly unitRows: boolean },
  buffers: SlabBuffers,
  sink: Sink,
): Promise<Float32Array> {
  const [numRows, inputs] = source.shape as [number, number];
  const codec = MATRIX_CODECS[precision];
  const rowsPerSlab = rowsInSlab(inputs);
  const scales: Float32Array[] = [];
  for (let row = 0; row < numRows; row += rowsPerSlab) {
    const slabRows = Math.min(rowsPerSlab, numRows - row);
    const values = await readFloats(source, row * inputs, slabRows * inputs, buffers);
    checkFinite(values, [source.name]);
    if (unitRows) scaleToUnitRows(values, slabRows);
    const stored = new Uint8Array(buffers.scratch, 0, slabRows * codec.rowBytes(inputs));
    scales.push(codec.encode(values, slabRows, stored));
    sink(stored);
  }
  return joined(scales);
}

/** The floats that a quantised matrix [outputs, inputs] stands for. */
export async function dequantizeTensor(
  { values: source, scales }: Readonly<Record<keyof StoredForm, TensorSource>>,
  {
    precision,
    inputs,
    to,
  }: { readonly precision: QuantizedPrecision; readonly inputs: number; readonly to: WeightType },
  buffers: SlabBuffers,
  sink: Sink,
): Promise<void> {
  const numRows = source.shape[0]!;
  const codec = MATRIX_CODECS[precision];
  const rowsPerSlab = rowsInSlab(inputs);
  const scaleBytes = scales.numBytes / numRows;
  for (let row = 0; row < numRows; row += rowsPerSlab) {
    const slabRows = Math.min(rowsPerSlab, numRows - row);
    const stored = new Uint8Array(buffers.bytes, 0, slabRows * codec.rowBytes(inputs));
    const slabScales = new Float32Array((slabRows * scaleBytes) / Float32Array.BYTES_PER_ELEMENT);
    await source.read(row * codec.rowBytes(inputs), stored);
    await scales.read(row * scaleBytes, new Uint8Array(slabScales.buffer));
    const values = buffers.values.subarray(0, slabRows * inputs);
    codec.decode(stored, slabScales, slabRows, values);
    sink(narrowed(values, to, source.name, buffers));
  }
}

function rowsInSlab(columns: number): number {
  const rows = Math.floor(SLAB_ELEMENTS / columns);
  invariant(rows > 0, `a row of ${columns} fits a slab of ${SLAB_ELEMENTS}`);
  return rows;
}

function elementBytes({ dataType }: TensorSource): number {
  return ELEMENT_BYTES[dataType]!;
}

async function readFloats(
  source: TensorSource,
  start: number,
  length: number,
  buffers: SlabBuffers,
): Promise<Float32Array> {
  const { dataType } = source;
  invariant(isWeightType(dataType), `${source.name} is of a type that weights are read from`);
  const size = elementBytes(source);
  const bytes = new Uint8Array(buffers.bytes, 0, length * size);
  await source.read(start * size, bytes);
  const values = buffers.values.subarray(0, length);
  widen(dataType, bytes, values);
  return values;
}

function narrowed(values: Float32Array, to: WeightType, name: string, buffers: SlabBuffers): Uint8Array {
  const target = new Uint8Array(buffers.scratch, 0, values.length * ELEMENT_BYTES[to]!);
  const tooLarge = narrow(to, values, target);
  if (tooLarge === undefined) return target;
  throw new TroupeError(
    "invalid_model",
    `${name} holds ${tooLarge}, which is too large for ${to}; convert to bf16 or fp32`,
    { details: { tensor: name, value: tooLarge } },
  );
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
