/** Devices by name, as configuration and flags have them: cpu:0, cuda:1, coreml. */

/** ONNX Runtime's execution providers that a model can run on. */
export const DEVICE_KINDS = ["cpu", "cuda", "webgpu", "dml", "coreml"] as const;
/** One of {@link DEVICE_KINDS}. */
export type DeviceKind = (typeof DEVICE_KINDS)[number];

/** One device. */
export interface Device {
  readonly kind: DeviceKind;
  /** Which of its kind, from 0. */
  readonly index: number;
}

/** The device of ranks that name none. */
export const CPU: Device = { kind: "cpu", index: 0 };

/**
 * @returns null when `name` is no device's
 * @example
 * ```ts
 * parseDevice("cuda:1"); // { kind: "cuda", index: 1 }
 * parseDevice("coreml"); // { kind: "coreml", index: 0 }
 * ```
 */
export function parseDevice(name: string): Device | null {
  const match = /^([a-z]+)(?::(\d{1,4}))?$/.exec(name);
  const kind = DEVICE_KINDS.find((known) => known === match?.[1]);
  return kind === undefined ? null : { kind, index: Number(match?.[2] ?? 0) };
}
