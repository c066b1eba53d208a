/** In which precision a folder is compiled. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Precision } from "../compiled-model.ts";
import { WeightStore } from "../safetensors/weight-store.ts";

/** A folder, and the precision that was asked for; null takes that of a quantised folder, and fp32 for others. */
export interface PrecisionChoice {
  readonly modelDir: string;
  readonly precision: Precision | null;
}

/**
 * Rounding what is rounded already, or widening it, would give other answers than the name says.
 *
 * @throws TroupeError `invalid_model` when the folder is in another precision than the wanted one
 */
export async function choosePrecision({ modelDir, precision }: PrecisionChoice): Promise<Precision> {
  await using store = await WeightStore.open(modelDir);
  const { quantization } = store;
  if (quantization === null || precision === null || precision === quantization) {
    return quantization ?? precision ?? "fp32";
  }
  const message =
    `${modelDir} holds ${quantization} weights and cannot be compiled to ${precision}; leave the precision out, ` +
    "or take the weights it was converted from";
  throw new TroupeError("invalid_model", message, { details: { quantization, precision } });
}
