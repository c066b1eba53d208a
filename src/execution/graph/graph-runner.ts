/**
 * Runs the steps of a model that others exported to ONNX: whole graphs, whose keys and values go in and come out as
 * tensors. They still live in the engine's pages: those of earlier tokens are gathered before a run, the new rows are
 * written back after it, so that continuous batching, preemption and the prefix cache work as for compiled models.
 *
 *     pages ─► past ─┐
 *     builders ──────┴─► graph ─► logits
 *                             └─► present ─► new rows ─► pages
 */
import type { Device } from "../../config/device.ts";
import { invariant } from "../../errors/troupe-error.ts";
import { type KvMemory, type KvPool, kvPools } from "../../kv/kv-memory.ts";
import type { LogitsMemory } from "../../kv/logits-memory.ts";
import { type GraphModel, type GraphSpec, isRecomputed } from "../../model/graphs/graph-model.ts";
import type { ExecutionBatch } from "../../scheduling/step-plan.ts";
import type { ExecuteWork } from "../../scheduling/step-times.ts";
import { checkStop } from "../check-stop.ts";
import { FloatScratch } from "../float-scratch.ts";
import { LatestResults } from "../latest-results.ts";
import type { ModelRunner } from "../model-runner.ts";
import type { Tensor } from "../onnx-runtime.ts";
import { applyPageCopies } from "../page-copies.ts";
import { RunMeter } from "../run-meter.ts";
import { gatherPast, logitRows, logitStart, writePresent } from "./graph-kv.ts";
import { type GraphRun, planGraphRuns } from "./graph-plan.ts";
import { type GraphFeeds, GraphSession } from "./graph-session.ts";
import { graphWarmUpRuns } from "./graph-warm-up.ts";
import { type ChosenBuilders, chooseBuilders, type InputBuilder, type Warn } from "./input-builder.ts";
import { planRecomputation } from "./recomputation.ts";

/** What a graph runner is made from. */
export interface GraphRunnerOptions {
  readonly model: GraphModel;
  readonly kv: KvMemory;
  readonly logits: LogitsMemory;
  readonly numThreads: number;
  readonly device: Device;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  /** Asked between runs; true abandons the step. */
  readonly shouldStop: () => boolean;
  /** Told what is odd about the configuration. */
  readonly warn: Warn;
}

/**
 * Loads the graphs of a model.
 *
 * @throws TroupeError `invalid_model` when ONNX Runtime refuses one, `invalid_config` for an input module that does not load
 */
export async function createGraphRunner(options: GraphRunnerOptions): Promise<ModelRunner> {
  return new GraphRunner(options, await chooseBuilders(options.model.inputs, options.warn));
}

class GraphRunner implements ModelRunner {
  /** There are no other ranks. */
  readonly waitMs = 0;
  readonly #options: GraphRunnerOptions;
  readonly #builders: ChosenBuilders;
  readonly #sessions: { readonly prefill: GraphSession; readonly decode: GraphSession };
  readonly #pools: readonly KvPool[];
  readonly #logits: Float32Array;
  readonly #meter = new RunMeter();
  readonly #scratch = new FloatScratch();
  readonly #latest = new LatestResults();

  constructor(options: GraphRunnerOptions, builders: ChosenBuilders) {
    const { model, kv, logits } = options;
    this.#options = options;
    this.#builders = builders;
    this.#pools = kvPools(kv);
    this.#logits = new Float32Array(logits.buffer);
    this.#sessions = loadPair(options, model, this.#meter);
  }

  execute(batch: ExecutionBatch): ExecuteWork {
    const { logits, kv, model } = this.#options;
    invariant(
      batch.logitTokens.length <= logits.maxRows,
      `step ${batch.step} wants ${batch.logitTokens.length} rows of logits, the buffer holds ${logits.maxRows}`,
    );
    applyPageCopies(batch, this.#pools, kv.layout);
    const runs = isRecomputed(model)
      ? planRecomputation(batch, model, this.#pools[0]!.keys, kv.layout)
      : planGraphRuns(batch, model);
    for (const run of runs) {
      checkStop(this.#options.shouldStop, "The step was abandoned between two graphs");
      const outputs = this.#compute(run, this.#builders.build);
      this.#writeKv(run, outputs);
      this.#writeLogits(run, outputs);
    }
    return { ...this.#meter.take(), waitMs: 0 };
  }

  settle(): void {
    // Steps write their keys and values themselves.
  }

  warmUp(): void {
    const { model, maxNumBatchedTokens, maxModelLen } = this.#options;
    for (const run of graphWarmUpRuns(model, Math.min(maxNumBatchedTokens, maxModelLen - 1))) {
      const outputs = this.#compute(run, this.#builders.warmup);
      const spec = model[run.phase];
      logitRows(outputs[spec.logits]!, spec.logitsType, run, model.vocabSize, spec.file);
    }
    this.#meter.take();
  }

  release(): void {
    this.#sessions.prefill.release();
    this.#sessions.decode.release();
  }

  #compute(run: GraphRun, build: InputBuilder): Readonly<Record<string, Tensor>> {
    const { model } = this.#options;
    const session = this.#sessions[run.phase];
    const { spec } = session;
    const rows = Array.from({ length: run.batchSize }, (_, index) => run.units[index] ?? run.units[0]!);
    const built = build({ ...run, rows, pastSide: spec.pastSide, padTokenId: model.inputs.padTokenId });
    const feeds = { ...session.feeds(built), ...this.#pastFeeds(run, spec) };
    const wantsLogits = run.units.some(({ wanted }) => wanted.length > 0);
    const present = [...(spec.present?.keys ?? []), ...(spec.present?.values ?? [])];
    return this.#latest.hold(session.run(feeds, wantsLogits ? [spec.logits, ...present] : present));
  }

  #pastFeeds(run: GraphRun, spec: GraphSpec): GraphFeeds {
    const feeds: GraphFeeds = {};
    const { layout } = this.#options.kv;
    this.#scratch.reset();
    for (const [layer, { keys, values }] of this.#pools.entries()) {
      if (spec.past === null) break;
      feeds[spec.past.keys[layer]!] = gatherPast(keys, layout, run, spec, this.#scratch);
      feeds[spec.past.values[layer]!] = gatherPast(values, layout, run, spec, this.#scratch);
    }
    for (const { data } of Object.values(feeds)) this.#meter.countGathered(data.byteLength);
    return feeds;
  }

  #writeKv(run: GraphRun, outputs: Readonly<Record<string, Tensor>>): void {
    const { spec } = this.#sessions[run.phase];
    const { present } = spec;
    const { layout } = this.#options.kv;
    for (const [layer, { keys, values }] of this.#pools.entries()) {
      if (present === null) break;
      writePresent(keys, layout, run, spec, outputs[present.keys[layer]!]!);
      writePresent(values, layout, run, spec, outputs[present.values[layer]!]!);
    }
  }

  #writeLogits(run: GraphRun, outputs: Readonly<Record<string, Tensor>>): void {
    const { spec } = this.#sessions[run.phase];
    const { vocabSize } = this.#options.model;
    const output = outputs[spec.logits];
    if (output === undefined) return;
    const rows = logitRows(output, spec.logitsType, run, vocabSize, spec.file);
    for (const [index, unit] of run.units.entries()) {
      for (let i = 0; i < unit.wanted.length; i += 2) {
        const start = logitStart(rows, index, unit.wanted[i]!, unit);
        this.#logits.set(rows.values.subarray(start, start + vocabSize), unit.wanted[i + 1]! * vocabSize);
      }
    }
  }
}

/** One session where one file does both. */
function loadPair(options: GraphRunnerOptions, { prefill, decode, inputs }: GraphModel, meter: RunMeter) {
  const load = (spec: GraphSpec) => new GraphSession(spec, { ...options, aliases: inputs.aliases, meter });
  const first = load(prefill);
  if (decode.file === prefill.file) return { prefill: first, decode: first };
  try {
    return { prefill: first, decode: load(decode) };
  } catch (error) {
    first.release();
    throw error;
  }
}
