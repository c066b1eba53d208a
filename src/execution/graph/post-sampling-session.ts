/** Runs argmax and topk graphs over rows of logits, for the sampler. */
import { CPU } from "../../config/device.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { PostSamplingGraph, PostSamplingGraphs } from "../../model/graphs/post-sampling.ts";
import type { PostSampling } from "../../sampling/post-sampling.ts";
import { loadSession, type Session, type Tensor, tensor } from "../onnx-runtime.ts";

/** Loaded graphs. */
export interface PostSamplingSession extends PostSampling {
  release(): void;
}

/** @throws TroupeError `invalid_model` when ONNX Runtime refuses a graph */
export function loadPostSampling(
  { argmax, topk }: PostSamplingGraphs,
  { vocabSize, numThreads }: { readonly vocabSize: number; readonly numThreads: number },
): PostSamplingSession {
  const load = (graph: PostSamplingGraph | null) =>
    graph === null ? null : new RowGraph(graph, vocabSize, numThreads);
  const loaded = { argmax: load(argmax), topk: load(topk) };
  return {
    findsLargest: argmax !== null,
    numCandidates: topk?.width ?? 0,
    largest: (rows, numRows) => loaded.argmax!.run(rows, numRows),
    best: (rows, numRows) => loaded.topk!.run(rows, numRows),
    release() {
      loaded.argmax?.release();
      loaded.topk?.release();
    },
  };
}

/** One graph; rows that it takes no more of at a time go through it one after the other. */
class RowGraph {
  readonly #graph: PostSamplingGraph;
  readonly #vocabSize: number;
  readonly #session: Session;

  constructor(graph: PostSamplingGraph, vocabSize: number, threads: number) {
    this.#graph = graph;
    this.#vocabSize = vocabSize;
    this.#session = loadSession(graph.file, { name: graph.file, threads, keepArena: true, device: CPU });
  }

  run(rows: Float32Array, numRows: number): Int32Array {
    const { fixedRows, width } = this.#graph;
    const ids = new Int32Array(numRows * width);
    const most = fixedRows ?? numRows;
    for (let start = 0; start < numRows; start += most) {
      const end = Math.min(start + most, numRows);
      ids.set(
        this.#runBlock(rows.subarray(start * this.#vocabSize, end * this.#vocabSize), most),
        start * width,
      );
    }
    return ids;
  }

  release(): void {
    this.#session.release();
  }

  /** Rows up to `size`; what is left is filled with zeros, and not looked at. */
  #runBlock(rows: Float32Array, size: number): Int32Array {
    const { logits, rank, temperature, tokenIds, width } = this.#graph;
    const numRows = rows.length / this.#vocabSize;
    const padded = new Float32Array(size * this.#vocabSize);
    padded.set(rows);
    const dims = rank === 2 ? [size, this.#vocabSize] : [size, 1, this.#vocabSize];
    const feeds: Record<string, Tensor> = { [logits]: this.#float(padded, dims) };
    // The order of candidates is that of the logits, whatever the temperature; the host divides by it.
    if (temperature !== null) {
      const shape = (temperature.dims ?? []).map((dim) => (typeof dim === "number" ? dim : size));
      const count = shape.reduce((product, dim) => product * dim, 1);
      feeds[temperature.name] = this.#float(new Float32Array(count).fill(1), shape);
    }
    const ids = Int32Array.from(this.#session.run(feeds, [tokenIds])[tokenIds]!.data, Number);
    const wrong = ids.find((id) => id < 0 || id >= this.#vocabSize);
    if (ids.length === size * width && wrong === undefined) return ids.subarray(0, numRows * width);
    throw new TroupeError(
      "engine_failed",
      `${this.#graph.file} gave ${wrong === undefined ? `${ids.length} token ids for ${size} rows` : `token ${wrong}, and the vocabulary has ${this.#vocabSize}`}. Export it again for this model.`,
    );
  }

  #float(values: Float32Array, dims: readonly number[]): Tensor {
    if (this.#graph.logitsType === "float32") return tensor("float32", values, dims);
    return tensor("float16", new Uint16Array(Float16Array.from(values).buffer), dims);
  }
}
