/**
 * Element types of safetensors files, and the exact widening of those that weights are kept in to float32.
 */

/** Bytes of one element of every byte-sized type that may appear in a file. */
export const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
};

/** Types that weights can be read from, with ONNX's name of each. */
export const WEIGHT_TYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** A key of {@link WEIGHT_TYPES}. */
export type WeightType = keyof typeof WEIGHT_TYPES;

/** True for a type that {@link widen} reads. */
export function isWeightType(type: string): type is WeightType {
  return type in WEIGHT_TYPES;
}

/**
 * Widens raw elements to float32, exactly.
 *
 * @param bytes little-endian elements, at an offset that is a multiple of 4 of its buffer
 * @param target as many elements as `bytes` holds
 */
export function widen(type: WeightType, bytes: Uint8Array, target: Float32Array): void {
  if (type === "F32") {
    target.set(new Float32Array(bytes.buffer, bytes.byteOffset, target.length));
    return;
  }
  const source = new Uint16Array(bytes.buffer, bytes.byteOffset, target.length);
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  if (type === "BF16") for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
  else widenHalf(source, bits, target);
}

/** 2^112 moves the exponent of a half, read as a float's, to its place; subnormal halves come out right by themselves. */
const HALF_TO_FLOAT = 2 ** 112;
const HALF_EXPONENT = 0x7c00;
const FLOAT_EXPONENT = 0x7f800000;

function widenHalf(source: Uint16Array, bits: Uint32Array, target: Float32Array): void {
  for (let i = 0; i < source.length; i++) {
    const half = source[i]!;
    bits[i] = (half & 0x7fff) << 13;
    if ((half & HALF_EXPONENT) === HALF_EXPONENT) bits[i] = bits[i]! | FLOAT_EXPONENT;
    else target[i] = target[i]! * HALF_TO_FLOAT;
    if (half & 0x8000) bits[i] = bits[i]! | 0x80000000;
  }
}

/**
 * Rounds float32 to a narrower type, to the nearest and to even between two; the counterpart of {@link widen}.
 *
 * @param target room for as many elements, at an offset that is a multiple of 4 of its buffer
 * @returns the first value that is too large for the type, undefined when all fit
 */
export function narrow(type: WeightType, source: Float32Array, target: Uint8Array): number | undefined {
  const { buffer, byteOffset } = target;
  if (type === "F32") {
    new Float32Array(buffer, byteOffset, source.length).set(source);
    return undefined;
  }
  const narrowed = new Uint16Array(buffer, byteOffset, source.length);
  if (type === "BF16") narrowToBrain(source, narrowed);
  else new Float16Array(buffer, byteOffset, source.length).set(source);
  const exponent = type === "BF16" ? BRAIN_EXPONENT : HALF_EXPONENT;
  for (let i = 0; i < narrowed.length; i++) {
    if ((narrowed[i]! & exponent) === exponent && Number.isFinite(source[i]!)) return source[i];
  }
  return undefined;
}

const BRAIN_EXPONENT = 0x7f80;

function narrowToBrain(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    const isNoNumber = (value & 0x7fffffff) > FLOAT_EXPONENT;
    // Half of the last kept place, less one where that place is even; a NaN must not round to infinity.
    target[i] = isNoNumber ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
}
