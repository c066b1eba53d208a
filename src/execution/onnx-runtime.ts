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
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly uint32: Uint32Array;
  readonly uint64: BigUint64Array;
  readonly float64: Float64Array;
  readonly bool: Uint8Array;
}

/** ONNX's number of each element type. */
const TYPE_CODES: Readonly<Record<number, TensorType | "string">> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
};

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
  /**
   * How long the session's threads look for work before they sleep, in microseconds. Sessions have threads of their own, so
   * those of one that spin for long take the cores from the one that runs next; those that sleep at once are woken for every
   * node. Default 20, for sessions that take turns.
   */
  readonly spinUs?: number;
  /** Default `all`; `disabled` runs the graph as written. */
  readonly optimization?: "disabled" | "basic" | "extended" | "all";
  /** Folder that external data of a model given as bytes is found in; a model given as a path uses its own folder. */
  readonly externalDataDir?: string;
  /** Where it computes. Default: the CPU. */
  readonly device?: Device;
  /** Counts its runs. */
  readonly meter?: RunMeter | undefined;
}

/** A graph input or output, as the model declares it. */
export interface Port {
  readonly name: string;
  /** Null for a type that cannot go in or out. */
  readonly type: TensorType | "string" | null;
  /** Null where the size is known only when the graph runs. */
  readonly dims: readonly (number | null)[];
}

/** A tensor of texts. */
export interface StringTensor {
  readonly type: "string";
  readonly dims: readonly number[];
  readonly location: "cpu";
  readonly data: readonly string[];
}

/** A loaded model. */
export interface Session {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs on the calling thread and returns a fresh copy of each output named in `fetches`; nothing else is copied out.
   *
   * @throws TroupeError `engine_failed` when an operator fails or a feed is missing or of the wrong type.
   */
  run(feeds: Readonly<Record<string, Tensor>>, fetches: readonly string[]): Readonly<Record<string, Tensor>>;
  /** The same for models that may have texts among their inputs and outputs. A float16 output is a Float16Array. */
  runAny(
    feeds: Readonly<Record<string, Tensor | StringTensor>>,
    fetches: readonly string[],
  ): Readonly<Record<string, Tensor | StringTensor>>;
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

/** Default of {@link SessionOptions.spinUs}. */
const SPIN_US = 20;

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
        intra_op: { allow_spinning: "1", spin_duration_us: String(options.spinUs ?? SPIN_US) },
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
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly #native: NativeBinding;
  readonly #meter: RunMeter | undefined;
  readonly #fetches = new WeakMap<readonly string[], Record<string, null>>();
  #released = false;

  constructor({ name, meter }: SessionOptions, native: NativeBinding) {
    this.name = name;
    this.#native = native;
    this.#meter = meter;
    this.inputs = native.inputMetadata.map(toPort);
    this.outputs = native.outputMetadata.map(toPort);
    this.inputNames = this.inputs.map(({ name }) => name);
    this.outputNames = this.outputs.map(({ name }) => name);
  }

  run(feeds: Readonly<Record<string, Tensor>>, fetches: readonly string[]): Readonly<Record<string, Tensor>> {
    const startMs = performance.now();
    const outputs = this.runAny(feeds, fetches) as Readonly<Record<string, Tensor>>;
    this.#meter?.countRun(performance.now() - startMs, outputs);
    return outputs;
  }

  runAny(
    feeds: Readonly<Record<string, Tensor | StringTensor>>,
    fetches: readonly string[],
  ): Readonly<Record<string, Tensor | StringTensor>> {
    try {
      // The binding reads plain objects as well as ort.Tensor, and its results have the same fields.
      const results = this.#native.run(feeds as unknown as NativeFeeds, this.#fetchesOf(fetches), {});
      return results as unknown as Record<string, Tensor | StringTensor>;
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

function toPort({ name, isTensor, type, shape }: NativeBinding["inputMetadata"][number]): Port {
  return {
    name,
    type: (isTensor && TYPE_CODES[type]) || null,
    dims: isTensor ? shape.map((dim) => (dim < 0 ? null : dim)) : [],
  };
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
