/**
 * The dense segments of a compiled model: first, one block for each layer but the last, last. Everything that has
 * weights; rows are tokens, and a row's bits do not depend on the other rows.
 */
import { join } from "node:path";
import { invariant } from "../errors/troupe-error.ts";
import type { CompiledModel } from "../model/compiled-model.ts";
import { loadSession, type Session, type Tensor } from "./onnx-runtime.ts";

/** What flows between attention layers, each [tokens, ...]. */
export interface LayerInputs {
  readonly x: Tensor;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

const LAYER_FETCHES = ["xOut", "q", "k", "v"] as const;
const LOGITS_FETCHES = ["logits"] as const;

/** Loaded segments. */
export class DenseChain {
  readonly #segments: readonly Session[];

  /** @throws TroupeError `invalid_model` when a segment does not load; what was loaded before is freed. */
  constructor(compiledDir: string, model: CompiledModel, threads: number) {
    const loaded: Session[] = [];
    try {
      for (const file of model.segments) {
        loaded.push(loadSession(join(compiledDir, file), { name: file, threads, keepArena: false }));
      }
    } catch (error) {
      for (const session of loaded) session.release();
      throw error;
    }
    this.#segments = loaded;
  }

  /** Everything ahead of attention layer `layer`: embedding for the first, else the block that ends the one before. */
  enterLayer(layer: number, feeds: Readonly<Record<string, Tensor>>): LayerInputs {
    const { xOut, q, k, v } = runSegment(this.#segments[layer]!, feeds, LAYER_FETCHES);
    return { x: xOut!, q: q!, k: k!, v: v! };
  }

  /** Everything after the last attention: logits [rows, vocabSize]. */
  finish(feeds: Readonly<Record<string, Tensor>>): Tensor {
    return runSegment(this.#segments.at(-1)!, feeds, LOGITS_FETCHES).logits!;
  }

  /** Frees the sessions. */
  release(): void {
    for (const segment of this.#segments) segment.release();
  }
}

/** Feeds a segment those of `feeds` that it has inputs for. */
function runSegment(
  segment: Session,
  feeds: Readonly<Record<string, Tensor>>,
  fetches: readonly string[],
): Readonly<Record<string, Tensor>> {
  const own: Record<string, Tensor> = {};
  for (const name of segment.inputNames) {
    const feed = feeds[name];
    invariant(feed !== undefined, `segment ${segment.name} wants ${name}, which nothing feeds`);
    own[name] = feed;
  }
  return segment.run(own, fetches);
}
