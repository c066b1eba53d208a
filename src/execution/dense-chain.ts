/**
 * The dense segments of a compiled model: first, one block for each layer but the last, last. Everything that has
 * weights; rows are tokens, and a row's bits do not depend on the other rows.
 */
import { join } from "node:path";
import type { Device } from "../config/device.ts";
import { invariant } from "../errors/troupe-error.ts";
import type { CompiledModel } from "../model/compiled-model.ts";
import { checkStop } from "./check-stop.ts";
import { LatestResults } from "./latest-results.ts";
import { loadSession, type Session, type Tensor } from "./onnx-runtime.ts";
import type { RunMeter } from "./run-meter.ts";

/** What flows between attention layers, each [tokens, ...]. */
export interface LayerInputs {
  readonly x: Tensor;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** What the segments are loaded from. */
export interface ChainOptions {
  /** The folder that compiled.json lies in. */
  readonly compiledDir: string;
  readonly model: CompiledModel;
  /** Threads inside one operator. */
  readonly numThreads: number;
  /** Where they compute. Default: the CPU. */
  readonly device?: Device;
  /** Counts their runs. */
  readonly meter?: RunMeter;
  /** Asked between segments and between layers; true abandons the load or the step. Default: never. */
  readonly shouldStop?: () => boolean;
}

/** Segments of a model in the order they run. What a call gives is readable until the next one has returned. */
export interface Chain {
  /** Everything ahead of attention layer `layer`: embedding for the first, else what ends the one before. */
  enterLayer(layer: number, feeds: Readonly<Record<string, Tensor>>): LayerInputs;
  /** Everything after the last attention: logits, or a rank's part of them [rows, ...]. */
  finish(feeds: Readonly<Record<string, Tensor>>): Tensor;
  /** Frees the sessions. */
  release(): void;
}

export const LAYER_FETCHES = ["xOut", "q", "k", "v"] as const;
export const LOGITS_FETCHES = ["logits"] as const;

/** The segments of a whole model. */
export class DenseChain implements Chain {
  readonly #segments: readonly Session[];
  readonly #latest = new LatestResults();

  /** @throws TroupeError `invalid_model` when a segment does not load; what was loaded before is freed. */
  constructor(options: ChainOptions) {
    this.#segments = loadSegments({ ...options, keepArena: false });
  }

  enterLayer(layer: number, feeds: Readonly<Record<string, Tensor>>): LayerInputs {
    const { xOut, q, k, v } = this.#run(this.#segments[layer]!, feeds, LAYER_FETCHES);
    return { x: xOut!, q: q!, k: k!, v: v! };
  }

  finish(feeds: Readonly<Record<string, Tensor>>): Tensor {
    return this.#run(this.#segments.at(-1)!, feeds, LOGITS_FETCHES).logits!;
  }

  release(): void {
    for (const segment of this.#segments) segment.release();
  }

  #run(...run: Parameters<typeof runSegment>): Readonly<Record<string, Tensor>> {
    return this.#latest.hold(runSegment(...run));
  }
}

/** How the files of segments are loaded. */
export interface LoadSegmentsOptions extends ChainOptions {
  /** See {@link SessionOptions}. */
  readonly keepArena: boolean;
  readonly spinUs?: number;
  /** The file of a segment. Default: the one it is named by. */
  readonly fileOf?: (segment: string) => string;
}

/**
 * Loads the segments to run as they are written: every operator in them was chosen, and an optimiser that sees another cut of the
 * model would fuse others, with other bits.
 *
 * @throws TroupeError `invalid_model` when a segment does not load, `not_ready` when `shouldStop` said so; what was loaded
 *   before is freed
 */
export function loadSegments(options: LoadSegmentsOptions): Session[] {
  const { compiledDir, model, numThreads, keepArena, spinUs, device, meter, shouldStop, fileOf } = options;
  const loaded: Session[] = [];
  try {
    for (const segment of model.segments) {
      checkStop(shouldStop, "Loading the model was abandoned");
      const name = fileOf?.(segment) ?? segment;
      const how = { name, threads: numThreads, keepArena, optimization: "disabled", meter } as const;
      loaded.push(
        loadSession(join(compiledDir, name), {
          ...how,
          ...(spinUs && { spinUs }),
          ...(device && { device }),
        }),
      );
    }
    return loaded;
  } catch (error) {
    for (const session of loaded) session.release();
    throw error;
  }
}

/** Feeds a segment those of `feeds` that it has inputs for. */
export function runSegment(
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
