/**
 * The adapter for onnxruntime-node: sessions that run synchronously on the calling thread, and plain tensors.
 *
 * It talks to the native binding itself (as the package's own public API does), because `InferenceSession.run` adds a
 * promise and a `setImmediate` to every call, which a chain of some fifty runs a step cannot afford.
 */
import type { InferenceSession } from "onnxruntime-node";
import { binding, initOrt } from "onnxruntime-node/dist/binding.js";
import type { Device } from "../config/device.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { executionProvider } from "./device-provider.ts";
import type { RunMeter } from "./run-meter.ts";

interface TensorArrays {
  readonly float32: Float32Array;
  /** As bits: the binding takes no Float16Array. */
  readonly float16: Uint16Array;
  readonly int64: BigInt64Array;
  readonly int32: Int32Array;
  readonly uint8: Uint8Array;
  readonly int8: Int8Array;
  readonly bool: Uint8Array;
}

/** Element types of graph inputs and outputs. */
export type TensorType = keyof TensorArrays;

/**
 * A dense row-major tensor: plain data, so one object can be fed again and again. `data` may be a view of a
 * SharedArrayBuffer; it is read in place, without a copy, and must hold at least the product of `dims`.
 */
export interface Tensor<T extends TensorType = TensorType> {
  readonly type: T;
  readonly dims: readonly number[];
  readonly location: "cpu";
  readonly data: TensorArrays[T];
}

/** Makes a tensor over `data` without copying it. */
export function tensor<T extends TensorType>(
  type: T,
  data: TensorArrays[T],
  dims: readonly number[],
): Tensor<T> {
  return { type, dims, location: "cpu", data };
}

/** How a session runs. */
export interface SessionOptions {
  /** Appears in errors. */
  readonly name: string;
  /** Threads inside one operator; the calling thread is one of them. */
  readonly threads: number;
  /**
   * Keep the activations of the largest run for the next one. Worth its memory for the few attention sessions; dozens
   * of dense segments must not each hold their own.
   */
  readonly keepArena: boolean;
  /** Default `all`; `disabled` runs the graph as written. */
  readonly optimization?: "disabled" | "basic" | "extended" | "all";
  /** Folder that external data of a model given as bytes is found in; a model given as a path uses its own folder. */
  readonly externalDataDir?: string;
  /** Where it computes. Default: the CPU. */
  readonly device?: Device;
  /** Counts its runs. */
  readonly meter?: RunMeter | undefined;
}

/** A loaded model. */
export interface Session {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs on the calling thread and returns a fresh copy of each output named in `fetches`; nothing else is copied out.
   *
   * @throws TroupeError `engine_failed` when an operator fails or a feed is missing or of the wrong type.
   */
  run(feeds: Readonly<Record<string, Tensor>>, fetches: readonly string[]): Readonly<Record<string, Tensor>>;
  /** Frees the native session. A second call does nothing. */
  release(): void;
}

/**
 * Loads an ONNX model from a file path or from bytes.
 *
 * @throws TroupeError `invalid_model` when ONNX Runtime refuses the model or the file is missing.
 * @example
 * ```ts
 * const session = loadSession("first.onnx", { name: "first", threads: 2, keepArena: false });
 * const { x } = session.run({ ids: tensor("int64", new BigInt64Array([1n]), [1]) }, ["x"]);
 * session.release();
 * ```
 */
export function loadSession(model: string | Uint8Array<ArrayBuffer>, options: SessionOptions): Session {
  initOrt(); // does nothing after the first call in a thread
  const native = new binding.InferenceSession();
  try {
    const nativeOptions = toNativeOptions(options);
    if (typeof model === "string") native.loadModel(model, nativeOptions);
    else native.loadModel(model.buffer, model.byteOffset, model.byteLength, nativeOptions);
  } catch (cause) {
    throw failure("invalid_model", `could not be loaded by ONNX Runtime`, options.name, cause);
  }
  return new NativeSession(options, native);
}

/**
 * How long a pool's thread looks for work before it sleeps. Sessions have pools of their own, so threads that spin for
 * ever would take the cores from whichever session runs now; those that sleep at once are woken for every node.
 */
const SPIN_US = "20";

type NativeBinding = InstanceType<typeof binding.InferenceSession>;
type NativeFeeds = Parameters<NativeBinding["run"]>[0];

function toNativeOptions(options: SessionOptions): InferenceSession.SessionOptions {
  return {
    executionProviders: [options.device === undefined ? "cpu" : executionProvider(options.device)],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: options.optimization ?? "all",
    enableCpuMemArena: options.keepArena,
    // Patterns are kept per shape of the feeds, and ours change with every step.
    enableMemPattern: false,
    // What ONNX Runtime would log is in the error it throws.
    logSeverityLevel: 4,
    extra: {
      session: {
        intra_op: { allow_spinning: "1", spin_duration_us: SPIN_US },
        ...(options.externalDataDir === undefined
          ? {}
          : { model_external_initializers_file_folder_path: options.externalDataDir }),
      },
    },
  };
}

class NativeSession implements Session {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #native: NativeBinding;
  readonly #meter: RunMeter | undefined;
  readonly #fetches = new WeakMap<readonly string[], Record<string, null>>();
  #released = false;

  constructor({ name, meter }: SessionOptions, native: NativeBinding) {
    this.name = name;
    this.#native = native;
    this.#meter = meter;
    this.inputNames = native.inputMetadata.map((input) => input.name);
    this.outputNames = native.outputMetadata.map((output) => output.name);
  }

  run(feeds: Readonly<Record<string, Tensor>>, fetches: readonly string[]): Readonly<Record<string, Tensor>> {
    try {
      // The binding reads plain objects as well as ort.Tensor, and its results have the same fields.
      const startMs = performance.now();
      const results = this.#native.run(feeds as unknown as NativeFeeds, this.#fetchesOf(fetches), {});
      const outputs = results as unknown as Record<string, Tensor>;
      this.#meter?.countRun(performance.now() - startMs, outputs);
      return outputs;
    } catch (cause) {
      throw failure("engine_failed", "failed while running", this.name, cause);
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#native.dispose();
  }

  /** The binding wants an object with a null for each output; callers pass the same array each step. */
  #fetchesOf(names: readonly string[]): Record<string, null> {
    let fetches = this.#fetches.get(names);
    if (fetches === undefined) {
      fetches = Object.fromEntries(names.map((name) => [name, null]));
      this.#fetches.set(names, fetches);
    }
    return fetches;
  }
}

function failure(
  code: "invalid_model" | "engine_failed",
  what: string,
  name: string,
  cause: unknown,
): TroupeError {
  const reason = (cause instanceof Error ? cause.message : String(cause)).trim();
  return new TroupeError(code, `Session ${name} ${what}: ${reason}`, { cause, details: { session: name } });
}
