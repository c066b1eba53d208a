/** ONNX Runtime's execution provider for each kind of device, and what to do where it is not there. */
import type { Device, DeviceKind } from "../config/device.ts";

/** An entry of a session's `executionProviders`. */
export interface ProviderOption {
  readonly name: DeviceKind;
  readonly deviceId?: number;
}

/** The provider as a session's options name it. */
export function executionProvider({ kind, index }: Device): ProviderOption {
  // WebGPU and CoreML choose the device themselves, and refuse a number.
  if (kind === "cpu" || kind === "webgpu" || kind === "coreml") return { name: kind };
  return { name: kind, deviceId: index };
}

/** Kinds of which there is only number 0. */
export function isIndexable(kind: DeviceKind): boolean {
  return kind !== "webgpu" && kind !== "coreml";
}

/** What has to be installed for a kind of device, as a sentence. */
export function installHint(kind: DeviceKind, platform: string): string {
  switch (kind) {
    case "cpu":
      return "ONNX Runtime has the CPU everywhere: reinstall onnxruntime-node.";
    case "cuda":
      return platform === "linux"
        ? "Install an NVIDIA driver, CUDA 12 with cuDNN 9, and ONNX Runtime's CUDA libraries (ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false)."
        : "onnxruntime-node has CUDA on Linux x64 alone: use a device of this machine.";
    case "webgpu":
      return "Install a driver of the GPU with Vulkan (Linux), Direct3D 12 (Windows) or Metal (macOS).";
    case "dml":
      return "onnxruntime-node has DirectML on Windows alone: use a device of this machine.";
    case "coreml":
      return "onnxruntime-node has CoreML on macOS with Apple silicon alone: use a device of this machine.";
  }
}
