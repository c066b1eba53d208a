/** Tries a device before a model is compiled for it. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseDevice } from "../config/device.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { GraphBuilder } from "../model/onnx/graph-builder.ts";
import { installHint, isIndexable } from "./device-provider.ts";
import { loadSession, tensor } from "./onnx-runtime.ts";

/**
 * Runs a graph of one node on a device.
 *
 * @param name cpu:0, cuda:1, coreml, ...
 * @throws TroupeError `invalid_config` that says what to install, when the device is not there
 */
export function requireDevice(name: string): void {
  const device = parseDevice(name);
  if (device === null) throw new TroupeError("invalid_config", `"${name}" is no device; cpu:0 is one.`);
  const { kind, index } = device;
  if (index > 0 && !isIndexable(kind)) {
    throw new TroupeError(
      "invalid_config",
      `${name}: ONNX Runtime chooses the ${kind} device itself; write ${kind}${kind === "coreml" ? "" : ":0"}.`,
    );
  }
  const fail = (cause?: unknown) =>
    new TroupeError("invalid_config", `${name} is not available. ${installHint(kind, process.platform)}`, {
      cause,
      details: { device: name },
    });
  // ONNX Runtime would write its own lines about this to stderr.
  if (kind === "cuda" && !hasCudaLibrary()) throw fail();
  try {
    const session = loadSession(probe(), { name: `probe of ${name}`, threads: 1, keepArena: false, device });
    session.run({ x: tensor("float32", new Float32Array(1), [1]) }, ["y"]);
    session.release();
  } catch (cause) {
    throw fail(cause);
  }
}

function probe(): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder("probe");
  graph.output("y", graph.node("Neg", [graph.input("x", "float32", ["n"])]), "float32", ["n"]);
  return graph.build();
}

function hasCudaLibrary(): boolean {
  const { platform, arch } = process;
  const library = `../bin/napi-v6/${platform}/${arch}/libonnxruntime_providers_cuda.so`;
  return existsSync(fileURLToPath(new URL(library, import.meta.resolve("onnxruntime-node/dist/binding.js"))));
}
