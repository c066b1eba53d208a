/** One loaded graph: what it is fed is held against what it declares, so that mistakes have names. */
import type { Device } from "../../config/device.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GraphFloat, GraphSpec } from "../../model/graphs/graph-model.ts";
import type { GraphValue } from "../../model/onnx/graph-header.ts";
import { loadSession, type Session, type Tensor, tensor } from "../onnx-runtime.ts";
import type { RunMeter } from "../run-meter.ts";
import type { BuiltInputs, InputTensor } from "./input-builder.ts";

/** How a graph is loaded. */
export interface GraphSessionOptions {
  readonly numThreads: number;
  readonly device: Device;
  readonly aliases: Readonly<Record<string, string>>;
  readonly meter: RunMeter;
}

/** Feeds by name. */
export type GraphFeeds = Record<string, Tensor>;

/** See the module header. */
export class GraphSession {
  readonly spec: GraphSpec;
  readonly #session: Session;
  readonly #aliases: Readonly<Record<string, string>>;

  /** @throws TroupeError `invalid_model` when ONNX Runtime does not load the file */
  constructor(spec: GraphSpec, { numThreads, device, aliases, meter }: GraphSessionOptions) {
    this.spec = spec;
    this.#aliases = aliases;
    this.#session = loadSession(spec.file, {
      name: spec.file,
      threads: numThreads,
      keepArena: true,
      device,
      meter,
    });
  }

  /**
   * Those of `built` that the graph has inputs for, in its element types.
   *
   * @throws TroupeError `invalid_model` for an input that nobody gives, or one of another shape
   */
  feeds(built: BuiltInputs): GraphFeeds {
    const feeds: GraphFeeds = {};
    for (const input of this.spec.inputs) {
      const given = built[input.name] ?? built[this.#aliases[input.name] ?? ""];
      if (given === undefined) throw this.#missing(input, built);
      feeds[input.name] = this.#typed(input, given);
    }
    return feeds;
  }

  /** @throws TroupeError `engine_failed` */
  run(feeds: GraphFeeds, fetches: readonly string[]): Readonly<Record<string, Tensor>> {
    return this.#session.run(feeds, fetches);
  }

  release(): void {
    this.#session.release();
  }

  #typed(input: GraphValue, given: InputTensor): Tensor {
    const size = given.dims.reduce((product, dim) => product * dim, 1);
    if (size !== given.values.length)
      throw this.#invalid(input, `was given ${given.values.length} values for [${given.dims.join(", ")}]`);
    const fits =
      input.dims === null ||
      (input.dims.length === given.dims.length &&
        input.dims.every((dim, axis) => typeof dim !== "number" || dim === given.dims[axis]));
    if (!fits) {
      const declared = input.dims.map((dim) => dim ?? "?").join(", ");
      throw this.#invalid(input, `is [${declared}] and was given [${given.dims.join(", ")}]`);
    }
    return this.#convert(input, given);
  }

  #convert(input: GraphValue, { dims, values }: InputTensor): Tensor {
    switch (input.type) {
      case "int64":
        return tensor(
          "int64",
          BigInt64Array.from(values, (value) => BigInt(this.#whole(input, value))),
          dims,
        );
      case "int32":
        return tensor(
          "int32",
          Int32Array.from(values, (value) => this.#whole(input, value)),
          dims,
        );
      case "bool":
        return tensor(
          "bool",
          Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)),
          dims,
        );
      case "float32":
        return tensor("float32", Float32Array.from(values), dims);
      case "float16":
        return tensor("float16", new Uint16Array(Float16Array.from(values).buffer), dims);
      default:
        throw this.#invalid(input, `is ${input.type ?? "of an unknown type"}, which no builder can give`);
    }
  }

  #whole(input: GraphValue, value: number): number {
    if (Number.isSafeInteger(value)) return value;
    throw this.#invalid(input, `is ${input.type} and was given ${value}`);
  }

  #missing(input: GraphValue, built: BuiltInputs): TroupeError {
    const isPaged = ["slot_mapping", "block_tables", "block_table"].includes(input.name);
    const what = isPaged
      ? "which belongs to paged attention inside the graph; ONNX Runtime has no such operator on the CPU. Export the model without it: Troupe pages keys and values outside"
      : `which no input builder gives (${Object.keys(built).join(", ")} are given). Register a builder in graphs.inputModule (docs/onnx-models.md)`;
    return this.#invalid(input, `(${input.type} [${input.dims?.join(", ") ?? "?"}]) is wanted, ${what}`);
  }

  #invalid(input: GraphValue, what: string): TroupeError {
    const message = `${this.spec.file}: input ${input.name} ${what}.`;
    return new TroupeError("invalid_model", message, {
      details: { file: this.spec.file, input: input.name },
    });
  }
}

/** Numbers of a float tensor, widened; a view where nothing is to be widened. */
export function floatsOf({ data }: Tensor, type: GraphFloat): Float32Array | Float16Array {
  if (type === "float32") return data as Float32Array;
  const bits = data as Uint16Array;
  return new Float16Array(bits.buffer as ArrayBuffer, bits.byteOffset, bits.length);
}
