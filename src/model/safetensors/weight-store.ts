/**
 * All tensors of a checkpoint, however many files or shards they are spread over, read in ranges: nothing here ever
 * holds more than the caller's buffer.
 */
import { nearestName } from "../../core/nearest-name.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import {
  QUANTIZED_PRECISIONS,
  type QuantizedPrecision,
  SCALE_SUFFIX,
  type StoredForm,
  storedForm,
} from "../precisions/stored-form.ts";
import { findShards } from "../shards/find-shards.ts";
import { openShards } from "../shards/open-shards.ts";
import { readManifest, type WeightsManifest } from "../weights-manifest.ts";
import { isWeightType, WEIGHT_TYPES, type WeightType } from "./element-types.ts";
import { type OpenFiles, openFiles, type TensorSource, type WeightFile } from "./open-files.ts";
import { findWeightFiles } from "./weight-files.ts";

/** A tensor that {@link WeightStore.read} can read. */
export interface StoredTensor {
  readonly name: string;
  readonly dataType: WeightType;
  readonly shape: readonly number[];
  readonly numBytes: number;
}

/**
 * An open checkpoint.
 *
 * @example
 * ```ts
 * await using store = await WeightStore.open("models/understudy");
 * const norm = store.tensor("model.norm.weight", [256]);
 * await store.read(norm, 0, new Uint8Array(norm.numBytes));
 * ```
 */
export class WeightStore implements AsyncDisposable {
  /** What a folder that Troupe wrote says of itself; of a split one, what its shards say. */
  readonly manifest: WeightsManifest | undefined;
  /** The folder that holds the index of {@link files}, where there is one. */
  readonly indexDir: string;
  readonly #dir: string;
  readonly #opened: OpenFiles;
  readonly #tensors: ReadonlyMap<string, TensorSource>;

  private constructor(
    dir: string,
    indexDir: string,
    opened: OpenFiles,
    manifest: WeightsManifest | undefined,
  ) {
    this.manifest = manifest;
    this.indexDir = indexDir;
    this.#dir = dir;
    this.#opened = opened;
    this.#tensors = new Map(
      opened.files.flatMap(({ tensors }) => tensors.map((tensor) => [tensor.name, tensor])),
    );
  }

  /**
   * Opens a Hugging Face folder, a converted one, or one that is split into shards, which reads as if it were whole.
   *
   * @throws TroupeError `invalid_model` for missing, malformed, foreign or unfinished files, `file_error` for unreadable ones.
   */
  static async open(dir: string): Promise<WeightStore> {
    const shards = await findShards(dir);
    if (shards !== null) {
      return new WeightStore(dir, shards.dirs[0]!, await openShards(shards), shards.manifest);
    }
    const manifest = await readManifest(dir);
    checkWhole(dir, manifest);
    return new WeightStore(dir, dir, await openFiles(dir, await findWeightFiles(dir)), manifest);
  }

  /** The files, of a split folder as they would be if it were whole. */
  get files(): readonly WeightFile[] {
    return this.#opened.files;
  }

  /** The precision that the matrices are quantised in; null for floats. */
  get quantization(): QuantizedPrecision | null {
    return QUANTIZED_PRECISIONS.find((precision) => precision === this.manifest?.precision) ?? null;
  }

  /** What the checkpoint calls a tensor of the architecture, whether it holds it as floats or quantised. */
  nameOf(tensor: string): string {
    const isThere = (name: string) => this.#tensors.has(name) || this.#tensors.has(`${name}${SCALE_SUFFIX}`);
    const short = withoutPrefix(tensor);
    return !isThere(tensor) && isThere(short) ? short : tensor;
  }

  /** @throws TroupeError `invalid_model` when it is missing, of another shape, or not of a type weights are read from. */
  tensor(name: string, shape: readonly number[]): StoredTensor {
    const { file, dataType, numBytes } = this.#locate(name, shape);
    if (!isWeightType(dataType)) {
      const known = Object.keys(WEIGHT_TYPES).join(", ");
      throw new TroupeError(
        "invalid_model",
        `${file}: tensor ${name} is ${dataType}; weights are read from ${known}`,
        {
          details: { file, tensor: name, dataType },
        },
      );
    }
    return { name, dataType, shape, numBytes };
  }

  /**
   * The tensors of a quantised matrix.
   *
   * @param shape of the matrix [outputs, inputs]
   * @throws TroupeError `invalid_model` when one is missing or of another shape.
   */
  quantizedMatrix(
    precision: QuantizedPrecision,
    name: string,
    shape: readonly [number, number],
  ): Readonly<Record<keyof StoredForm, TensorSource>> {
    const { values, scales } = storedForm(precision, name, shape);
    return {
      values: this.#locate(values.name, values.shape),
      scales: this.#locate(scales.name, scales.shape),
    };
  }

  /** Fills `target` with the tensor's bytes from `offset` on. */
  async read(tensor: { readonly name: string }, offset: number, target: Uint8Array): Promise<void> {
    await this.#find(tensor.name).read(offset, target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.close();
  }

  #locate(name: string, shape: readonly number[]): TensorSource {
    const found = this.#find(name);
    const { file, shape: actual } = found;
    if (actual.length === shape.length && actual.every((dim, axis) => dim === shape[axis])) return found;
    throw new TroupeError(
      "invalid_model",
      `${file}: tensor ${name} has shape [${actual.join(", ")}]; config.json calls for [${shape.join(", ")}]`,
      { details: { file, tensor: name, shape: actual, expected: shape } },
    );
  }

  #find(name: string): TensorSource {
    const found = this.#tensors.get(name) ?? this.#tensors.get(withoutPrefix(name));
    if (found !== undefined) return found;
    const near = nearestName(name, [...this.#tensors.keys()]);
    const hint = near === undefined ? "" : ` (it has ${near})`;
    throw new TroupeError("invalid_model", `${this.#dir}: the checkpoint has no tensor ${name}${hint}`, {
      details: { dir: this.#dir, tensor: name },
    });
  }
}

/** Checkpoints saved from a model without its head, as BLOOM's, leave out the first part of every name. */
export function withoutPrefix(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

function checkWhole(dir: string, manifest: WeightsManifest | undefined): void {
  if (manifest?.complete === false) {
    throw new TroupeError(
      "invalid_model",
      `${dir} is unfinished: the command that writes it was interrupted; run it again and it goes on`,
    );
  }
  if (manifest?.shard) {
    const { rank, size } = manifest.shard;
    const message = `${dir} is shard ${rank} of ${size} alone; name the folder that holds all of them`;
    throw new TroupeError("invalid_model", message);
  }
}
