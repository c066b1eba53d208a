/**
 * The dense segments of one rank among several: three for each layer, with the partial sums of all ranks exchanged after
 * the attention's output and after the MLP. To the runner it is what a DenseChain is.
 */
import type { AllReduce } from "./all-reduce.ts";
import {
  type Chain,
  type ChainOptions,
  LAYER_FETCHES,
  type LayerInputs,
  LOGITS_FETCHES,
  loadSegments,
  runSegment,
} from "./dense-chain.ts";
import { type Session, type Tensor, tensor } from "./onnx-runtime.ts";

type Feeds = Readonly<Record<string, Tensor>>;

const PARTIAL_FETCHES = ["partial"] as const;
const MLP_FETCHES = ["xOut", "partial"] as const;
/** Segments of a layer: output, MLP, and the entry to the next one. */
const SEGMENTS_PER_LAYER = 3;

/** Loaded segments. */
export class RankChain implements Chain {
  readonly #segments: readonly Session[];
  readonly #allReduce: AllReduce;

  /** @throws TroupeError `invalid_model` when a segment does not load; what was loaded before is freed. */
  constructor(options: ChainOptions, allReduce: AllReduce) {
    this.#segments = loadSegments(options);
    this.#allReduce = allReduce;
  }

  enterLayer(layer: number, feeds: Feeds): LayerInputs {
    const entry = this.#segments[layer * SEGMENTS_PER_LAYER]!;
    const inputs = layer === 0 ? feeds : { ...feeds, ...this.#finishLayer(layer - 1, feeds) };
    const { xOut, q, k, v } = runSegment(entry, inputs, LAYER_FETCHES);
    return { x: xOut!, q: q!, k: k!, v: v! };
  }

  finish(feeds: Feeds): Tensor {
    const lastLayer = (this.#segments.length - 1) / SEGMENTS_PER_LAYER - 1;
    const inputs = this.#finishLayer(lastLayer, feeds);
    return runSegment(this.#segments.at(-1)!, inputs, LOGITS_FETCHES).logits!;
  }

  release(): void {
    for (const segment of this.#segments) segment.release();
  }

  /** From att and x: the partial sums of the MLP and the rows they are added to. */
  #finishLayer(layer: number, { att, x }: Feeds): Feeds {
    const first = layer * SEGMENTS_PER_LAYER + 1;
    const attention = runSegment(this.#segments[first]!, { att: att! }, PARTIAL_FETCHES);
    const middle = { ...this.#exchange(attention.partial!), x: x! };
    const mlp = runSegment(this.#segments[first + 1]!, middle, MLP_FETCHES);
    return { ...this.#exchange(mlp.partial!), x: mlp.xOut! };
  }

  #exchange({ data, dims }: Tensor): Feeds {
    const { length } = data;
    this.#allReduce.slot(length).set(data as Float32Array);
    const partials = this.#allReduce.exchange(length);
    return Object.fromEntries(
      partials.map((partial, rank) => [`partial.${rank}`, tensor("float32", partial, dims)]),
    );
  }
}
