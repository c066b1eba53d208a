/**
 * What `model.precision` may say: precisions of weights, and the names that other serving systems have for weights and
 * keys and values together. Activations are float32 under every name.
 */
import type { KvDtype } from "../kv/forms/kv-form.ts";
import type { Precision } from "../model/compiled-model.ts";

/** What a name stands for. */
export interface NamedPrecision {
  readonly precision: Precision;
  /** Of keys and values, unless `engine.kvDtype` says something else. */
  readonly kvDtype: KvDtype;
}

/**
 * By name. bfloat16 weights are exact in fp32; keys and values that would be bfloat16 take the same two bytes as f16,
 * which keeps three bits more.
 */
export const PRECISION_NAMES = {
  fp32: { precision: "fp32", kvDtype: "f32" },
  w8: { precision: "w8", kvDtype: "f32" },
  w4: { precision: "w4", kvDtype: "f32" },
  w4g128: { precision: "w4g128", kvDtype: "f32" },
  bf16: { precision: "fp32", kvDtype: "f16" },
  a_bf16_w_int8: { precision: "w8", kvDtype: "f16" },
  a_bf16_w_int8_kv_int8: { precision: "w8", kvDtype: "int8" },
} as const satisfies Record<string, NamedPrecision>;

/** A key of {@link PRECISION_NAMES}. */
export type PrecisionName = keyof typeof PRECISION_NAMES;

/** All names, precisions first. */
export const precisionNames = Object.keys(PRECISION_NAMES) as PrecisionName[];
