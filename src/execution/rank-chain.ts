/**
 * The dense segments of one rank among several: four for each layer. Behind each of the first three of them, and behind
 * attention, the ranks put their columns side by side. To the runner it is what a DenseChain is.
 */
import type { AllGather } from "./all-gather.ts";
import {
  type Chain,
  type ChainOptions,
  LAYER_FETCHES,
  type LayerInputs,
  LOGITS_FETCHES,
  loadSegments,
  runSegment,
} from "./dense-chain.ts";
import { giveBack, LatestResults } from "./latest-results.ts";
import { type Session, type Tensor, tensor } from "./onnx-runtime.ts";

type Feeds = Readonly<Record<string, Tensor>>;

/** Outputs with this before their name are columns of the input with the rest of the name. */
const PART = "part.";
/** Segments of a layer: output, up, down, and the entry to the next one. */
const SEGMENTS_PER_LAYER = 4;

/** Loaded segments. */
export class RankChain implements Chain {
  readonly #segments: readonly Session[];
  readonly #allGather: AllGather;
  readonly #latest = new LatestResults();

  /** @throws TroupeError `invalid_model` when a segment does not load; what was loaded before is freed. */
  constructor(options: ChainOptions, allGather: AllGather) {
    this.#segments = loadSegments({ ...options, keepArena: false });
    this.#allGather = allGather;
  }

  enterLayer(layer: number, feeds: Feeds): LayerInputs {
    const entry = this.#segments[layer * SEGMENTS_PER_LAYER]!;
    const inputs = layer === 0 ? feeds : { ...feeds, ...this.#finishLayer(layer - 1, feeds) };
    const { xOut, q, k, v } = this.#latest.hold(runSegment(entry, inputs, LAYER_FETCHES));
    if (layer !== 0) giveBack(inputs.x!);
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

  /** From a rank's columns of att, and x: the MLP's rows and those that they are added to. */
  #finishLayer(layer: number, { att, x }: Feeds): Feeds {
    const [output, up, down] = this.#segments.slice(layer * SEGMENTS_PER_LAYER + 1);
    const attended = this.#run(output!, this.#gather({ "part.att": att! }));
    const { xOut, ...inner } = this.#run(up!, { ...attended, x: x! });
    return { ...this.#run(down!, inner), x: xOut! };
  }

  /** All outputs of a segment, with those of other ranks where they are columns. */
  #run(segment: Session, feeds: Feeds): Feeds {
    return this.#gather(runSegment(segment, feeds, segment.outputNames));
  }

  #gather(outputs: Feeds): Feeds {
    const parts = Object.entries(outputs).filter(([name]) => name.startsWith(PART));
    const wholes = this.#allGather.gather(
      parts.map(([, { data, dims }]) => ({ data: data as Float32Array, width: dims[1]! })),
    );
    const gathered = parts.map(([name, { dims }], index) => {
      const data = wholes[index]!;
      if (name !== "part.att") giveBack(outputs[name]!);
      return [name.slice(PART.length), tensor("float32", data, [dims[0]!, data.length / dims[0]!])];
    });
    return { ...outputs, ...Object.fromEntries(gathered) };
  }
}
