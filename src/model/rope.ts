/**
 * Rotary angles: cos and sin of position × inverse frequency for every variant of scaling, in the float32 arithmetic of
 * Hugging Face's modeling_rope_utils.py, so that angles agree to the last bit or nearly so even at large positions.
 */
import type { RopeSpec } from "./compiled-model.ts";

const f32 = Math.fround;

/** Rows of a {@link RopeTable}. */
export interface RopeRows {
  /** [numRows, rotaryDim / 2] */
  readonly cos: Float32Array;
  /** [numRows, rotaryDim / 2] */
  readonly sin: Float32Array;
}

/**
 * The angles of one rope, computed as far as they have been asked for.
 *
 * @example
 * ```ts
 * const table = ropeTable(model.ropes[0], 2048);
 * const { cos, sin } = table.upTo(17); // positions 0 to 16, and perhaps more
 * ```
 */
export interface RopeTable {
  /** rotaryDim / 2: the length of a row. */
  readonly width: number;
  /** Tables that hold at least `numPositions` rows. They are replaced when they grow: do not keep them. */
  upTo(numPositions: number): RopeRows;
}

const FIRST_POSITIONS = 256;

/**
 * @param maxPositions the longest sequence that is served. Dynamic NTK scaling fixes its base for this length, and longrope
 * chooses between its short and long factors by it: keys are kept rotated and shared between requests, so angles cannot
 * change as one sequence grows. Up to the original length the base is unscaled and the factors are the short ones.
 */
export function ropeTable(spec: RopeSpec, maxPositions: number): RopeTable {
  const frequencies = inverseFrequencies(spec, maxPositions);
  const factor = attentionFactor(spec);
  let rows: RopeRows = { cos: new Float32Array(0), sin: new Float32Array(0) };
  let numRows = 0;
  return {
    width: frequencies.length,
    upTo(numPositions) {
      if (numPositions > numRows) {
        const target = Math.max(numPositions, 2 * numRows, Math.min(FIRST_POSITIONS, maxPositions));
        rows = grow(rows, numRows, target, { frequencies, factor });
        numRows = target;
      }
      return rows;
    },
  };
}

function grow(
  old: RopeRows,
  numOld: number,
  numRows: number,
  { frequencies, factor }: { readonly frequencies: Float32Array; readonly factor: number },
): RopeRows {
  const width = frequencies.length;
  const cos = new Float32Array(numRows * width);
  const sin = new Float32Array(numRows * width);
  cos.set(old.cos);
  sin.set(old.sin);
  for (let position = numOld; position < numRows; position++) {
    for (let i = 0; i < width; i++) {
      const angle = f32(position * frequencies[i]!);
      cos[position * width + i] = f32(Math.cos(angle)) * factor;
      sin[position * width + i] = f32(Math.sin(angle)) * factor;
    }
  }
  return { cos, sin };
}

/** How much yarn and longrope turn the scores up; 1 for every other kind. */
export function attentionFactor({ scaling }: RopeSpec): number {
  if (scaling.kind === "longrope") return f32(scaling.attentionFactor);
  if (scaling.kind !== "yarn") return 1;
  return f32(scaling.attentionFactor ?? yarnMagnitude(scaling.factor, 1));
}

/** Yarn's recommended magnitude at a scale (https://arxiv.org/abs/2309.00071, equation 22). */
export function yarnMagnitude(scale: number, weight: number): number {
  return scale <= 1 ? 1 : 0.1 * weight * Math.log(scale) + 1;
}

/** One inverse frequency for each pair of dimensions. [rotaryDim / 2] */
export function inverseFrequencies(spec: RopeSpec, maxPositions: number): Float32Array {
  const { scaling, rotaryDim, theta } = spec;
  switch (scaling.kind) {
    case "none":
      return plainFrequencies(rotaryDim, theta);
    case "linear":
      return plainFrequencies(rotaryDim, theta).map((frequency) => frequency / scaling.factor);
    case "dynamic": {
      const { factor, originalMaxPositions: original } = scaling;
      const length = Math.max(maxPositions, original);
      const stretch = (factor * length) / original - (factor - 1);
      return plainFrequencies(rotaryDim, theta * stretch ** (rotaryDim / (rotaryDim - 2)));
    }
    case "llama3":
      return plainFrequencies(rotaryDim, theta).map((frequency) => llama3Frequency(frequency, scaling));
    case "yarn":
      return yarnFrequencies(spec, scaling);
    case "longrope": {
      const isLong = maxPositions > scaling.originalMaxPositions;
      const factors = isLong ? scaling.longFactors : scaling.shortFactors;
      return powers(rotaryDim, theta).map((power, i) => 1 / f32(f32(factors[i]!) * power));
    }
  }
}

/** theta^(2i / rotaryDim) in float32. */
function powers(rotaryDim: number, theta: number): Float32Array {
  return Float32Array.from({ length: rotaryDim / 2 }, (_, i) => f32(theta) ** f32((2 * i) / rotaryDim));
}

function plainFrequencies(rotaryDim: number, theta: number): Float32Array {
  return powers(rotaryDim, theta).map((power) => 1 / power);
}

type Scaling<Kind extends RopeSpec["scaling"]["kind"]> = Extract<
  RopeSpec["scaling"],
  { readonly kind: Kind }
>;

/** Long waves are stretched by the factor, short ones are kept, those between are blended. */
function llama3Frequency(frequency: number, scaling: Scaling<"llama3">): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions: original } = scaling;
  const wavelength = f32(f32(2 * Math.PI) / frequency);
  if (wavelength < original / highFreqFactor) return frequency;
  if (wavelength > original / lowFreqFactor) return f32(frequency / factor);
  const smooth = f32(f32(f32(original / wavelength) - lowFreqFactor) / (highFreqFactor - lowFreqFactor));
  const stretched = f32(f32(f32(1 - smooth) * frequency) / factor);
  return f32(stretched + f32(smooth * frequency));
}

/** Yarn blends stretched and kept frequencies along a ramp over the dimensions. */
function yarnFrequencies({ rotaryDim, theta }: RopeSpec, scaling: Scaling<"yarn">): Float32Array {
  const [low, high] = yarnRange(rotaryDim, theta, scaling);
  return powers(rotaryDim, theta).map((power, i) => {
    const ramp = Math.min(Math.max(f32(f32(i - f32(low)) / f32(high - low)), 0), 1);
    const keep = f32(1 - ramp);
    const stretched = f32(f32(1 / f32(scaling.factor * power)) * f32(1 - keep));
    return f32(stretched + f32(f32(1 / power) * keep));
  });
}

function yarnRange(rotaryDim: number, theta: number, scaling: Scaling<"yarn">): [low: number, high: number] {
  const dimensionOf = (numRotations: number) =>
    (rotaryDim * Math.log(scaling.originalMaxPositions / (numRotations * 2 * Math.PI))) /
    (2 * Math.log(theta));
  const bounds = [dimensionOf(scaling.betaFast), dimensionOf(scaling.betaSlow)] as const;
  const low = Math.max(scaling.truncate ? Math.floor(bounds[0]) : bounds[0], 0);
  const high = Math.min(scaling.truncate ? Math.ceil(bounds[1]) : bounds[1], rotaryDim - 1);
  return [low, low === high ? high + 0.001 : high];
}
