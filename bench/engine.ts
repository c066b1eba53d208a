/**
 * The whole engine under load: scheduler, ranks, sampler and edge, driven through its public interface with token ids.
 * Random weights in the shape of TinyLlama-1.1B, made in the system's folder for temporary files at the first run.
 *
 *     npm run bench -- --quick                                 # some points, under a minute once the model is made
 *     npm run bench -- --precision w8 --points 16x512,p512     # 16 streams at context 512; a prompt of 512 tokens
 *     npm run bench -- --points usual,long,huge                # everything
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { startEngine } from "../actors/engine.ts";
import { parseConfig } from "../src/config/load-config.ts";
import { KV_DTYPES, type KvDtype } from "../src/kv/forms/kv-form.ts";
import { compileModel } from "../src/model/compile/compile-model.ts";
import { PRECISIONS, type Precision } from "../src/model/compiled-model.ts";
import type { Engine } from "../src/protocol/engine.ts";
import { BareLoop } from "./bare-loop.ts";
import { firstTokenMs, lookAt, openStreams, type Stretch, stretchBetween } from "./engine-load.ts";
import { byContext, type Points, parsePoints } from "./engine-points.ts";
import { type DecodeResult, type PrefillResult, printResults, resultName } from "./engine-results.ts";
import { kvTokenBytes, prefillOperations, weightBytes } from "./llama-work.ts";
import { type MachineLimits, measureLimits } from "./machine-limits.ts";
import { coresOfOthers, processorTime } from "./processor-time.ts";
import { TINY_LLAMA } from "./random-checkpoint.ts";
import { type RandomModel, randomModel, randomPrompt } from "./random-model.ts";
import { describeMachine, machineText, median, rounded, writeResults } from "./report.ts";
import { Streams } from "./streams.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    points: { type: "string", default: "usual" },
    precision: { type: "string", default: "w8,w4" },
    kv: { type: "string", default: "f32" },
    layers: { type: "string", default: String(TINY_LLAMA.numLayers) },
    threads: { type: "string" },
    ranks: { type: "string", default: "1" },
    "batch-tokens": { type: "string" },
    "no-bare": { type: "boolean", default: false },
    json: { type: "string", default: "bench/results/results.json" },
  },
});

const numThreads = flags.threads === undefined ? availableParallelism() : Number(flags.threads);

/** Tokens a stream may draw while it is measured. */
const ROOM = 512;
const MAX_PREFILL_REPEATS = 4;
const PREFILL_TOKENS = 4096;
const MIN_BARE_STEPS = 5;
const BARE_MS = 1500;

class EngineBench {
  readonly #model: RandomModel;
  readonly #precision: Precision;
  readonly #kvDtype: KvDtype;
  readonly #points: Points;
  readonly #limits: MachineLimits;
  #salt = 1;

  constructor(
    model: RandomModel,
    precision: Precision,
    kvDtype: KvDtype,
    points: Points,
    limits: MachineLimits,
  ) {
    this.#model = model;
    this.#precision = precision;
    this.#kvDtype = kvDtype;
    this.#points = points;
    this.#limits = limits;
  }

  async run(): Promise<(DecodeResult | PrefillResult)[]> {
    const bare = flags["no-bare"] || this.#points.decode.length === 0 ? null : await this.#loadBareLoop();
    const engine = await startEngine(this.#config());
    try {
      const results: (DecodeResult | PrefillResult)[] = [];
      // the first prompt also brings memory into place
      if (this.#points.prefill.length > 0) await firstTokenMs(engine, 512, this.#salt++);
      for (const promptLen of this.#points.prefill) results.push(await this.#prefill(engine, promptLen));
      for (const [contextLen, streams] of byContext(this.#points.decode))
        results.push(...(await this.#decode(engine, bare, contextLen, streams)));
      return results;
    } finally {
      await engine.stop();
      bare?.release();
    }
  }

  #config() {
    const longest = Math.max(
      0,
      ...this.#points.decode.map(({ contextLen }) => contextLen),
      ...this.#points.prefill,
    );
    const numTokens = Math.max(longest + ROOM, this.#contextTokens());
    const { modelDir, cacheDir, shape } = this.#model;
    const kvBytes = numTokens * kvTokenBytes(shape, this.#kvDtype);
    const maxNumBatchedTokens = flags["batch-tokens"];
    return parseConfig({
      model: { path: modelDir, cacheDir, precision: this.#precision, skipTokenizerInit: true },
      engine: {
        maxNumSeqs: Math.max(32, ...this.#points.decode.map(({ numStreams }) => numStreams)),
        kvCacheMb: Math.ceil(kvBytes / 2 ** 20) + 64,
        kvDtype: this.#kvDtype,
        // a prompt must not be found where it is to be computed
        prefixCache: false,
        ...(flags.threads !== undefined && { threads: Number(flags.threads) }),
        tensorParallel: Number(flags.ranks),
        ...(maxNumBatchedTokens !== undefined && { maxNumBatchedTokens: Number(maxNumBatchedTokens) }),
      },
    });
  }

  #contextTokens(): number {
    return Math.max(
      0,
      ...this.#points.decode.map(({ numStreams, contextLen }) => numStreams * (contextLen + ROOM)),
    );
  }

  async #loadBareLoop(): Promise<BareLoop> {
    const { modelDir, cacheDir } = this.#model;
    const compiled = await compileModel({ modelDir, cacheDir, precision: this.#precision });
    const kvDtype = this.#kvDtype;
    return new BareLoop({ compiled, kvDtype, numThreads, maxContextTokens: this.#contextTokens() });
  }

  async #prefill(engine: Engine, promptLen: number): Promise<PrefillResult> {
    const numRepeats = Math.max(1, Math.min(MAX_PREFILL_REPEATS, Math.floor(PREFILL_TOKENS / promptLen)));
    const times: number[] = [];
    const before = processorTime();
    while (times.length < numRepeats) times.push(await firstTokenMs(engine, promptLen, this.#salt++));
    const ms = median(times);
    const { shape } = this.#model;
    const peakMs = (prefillOperations(shape, promptLen) / this.#limits.int8OperationsPerSecond) * 1000;
    return {
      kind: "prefill",
      variant: variantOf(this.#kvDtype),
      precision: this.#precision,
      numLayers: shape.numLayers,
      promptLen,
      firstTokenMs: ms,
      tokensPerSecond: (promptLen / ms) * 1000,
      peakShare: peakMs / ms,
      coresOfOthers: coresOfOthers(before, processorTime()),
      limits: this.#limits,
    };
  }

  /** @param streams numbers of streams, descending */
  async #decode(
    engine: Engine,
    bare: BareLoop | null,
    contextLen: number,
    streams: readonly number[],
  ): Promise<DecodeResult[]> {
    const results: DecodeResult[] = [];
    const load = new Streams(openStreams(engine));
    const { vocabSize } = engine.info;
    await load.grow(
      Array.from({ length: streams[0]! }, () => randomPrompt(contextLen, this.#salt++, vocabSize)),
    );
    for (const numStreams of streams) {
      await load.shrink(numStreams);
      const options = { minSteps: 10, minMs: 1500, maxMs: 6000 };
      const [before, after] = await load.measure(options, () => lookAt(engine));
      const stretch = stretchBetween(before, after);
      const meanContext = contextLen + load.numTokensOfLast - Math.round(stretch.numSteps / 2);
      results.push(this.#decodeResult({ numStreams, contextLen, meanContext }, stretch));
    }
    await load.shrink(0);
    if (bare === null) return results;
    return results.map((result) => {
      const { numStreams, meanContext, p50StepMs } = result;
      const numSteps = Math.max(MIN_BARE_STEPS, Math.ceil(BARE_MS / p50StepMs));
      const before = processorTime();
      const bareRatio = bare.decodeMs(numStreams, meanContext, numSteps) / p50StepMs;
      const others = coresOfOthers(before, processorTime());
      return { ...result, bareRatio, coresOfOthers: Math.max(result.coresOfOthers, others) };
    });
  }

  #decodeResult(
    point: Pick<DecodeResult, "numStreams" | "contextLen" | "meanContext">,
    stretch: Stretch,
  ): DecodeResult {
    const { shape } = this.#model;
    const kvBytes = point.numStreams * point.meanContext * kvTokenBytes(shape, this.#kvDtype);
    const readMs = ((weightBytes(shape, this.#precision) + kvBytes) / this.#limits.readBytesPerSecond) * 1000;
    const stepMs = (stretch.seconds * 1000) / stretch.numSteps;
    const allPartsMs = Object.values(stretch.partsMs).reduce((sum, ms) => sum + ms, 0);
    return {
      kind: "decode",
      variant: variantOf(this.#kvDtype),
      precision: this.#precision,
      kvDtype: this.#kvDtype,
      numLayers: shape.numLayers,
      ...point,
      ...stretch,
      tokensPerSecond: stretch.numTokens / stretch.seconds,
      rooflineShare: readMs / stepMs,
      outsideShare: 1 - (stretch.partsMs.run + stretch.partsMs.wait) / allPartsMs,
      bareRatio: null,
      limits: this.#limits,
    };
  }
}

/** What is not as usual. */
function variantOf(kvDtype: KvDtype): string {
  const { layers, ranks, threads } = flags;
  const tokens = flags["batch-tokens"];
  const unusual = [
    ...(Number(layers) === TINY_LLAMA.numLayers ? [] : [`${layers} layers`]),
    ...(kvDtype === "f32" ? [] : [`KV ${kvDtype}`]),
    ...(ranks === "1" ? [] : [`${ranks} ranks`]),
    ...(threads === undefined ? [] : [`${threads} threads`]),
    ...(tokens === undefined ? [] : [`${tokens} tokens a step`]),
  ];
  return unusual.join(", ");
}

const points = parsePoints((flags.quick ? "quick" : flags.points).split(","));
const precisions = flags.precision.split(",").map((name) => PRECISIONS.find((known) => known === name));
const kvDtype = KV_DTYPES.find((name) => name === flags.kv);
if (points === undefined || precisions.includes(undefined) || kvDtype === undefined) {
  console.error(
    `--points takes usual, long, huge, 16x512 or p512; --precision ${PRECISIONS.join(", ")}; --kv ${KV_DTYPES.join(", ")}; several with commas.`,
  );
  process.exit(2);
}
const model = randomModel({ numLayers: Number(flags.layers) });
const limits = await measureLimits(model.shape, numThreads);
console.log(machineText(describeMachine()));
console.log(
  `${flags.layers} layers of TinyLlama-1.1B, ${flags.ranks} ranks, ${numThreads} threads, KV ${kvDtype}; it reads ${rounded(limits.readBytesPerSecond / 1e9)} GB/s and multiplies ${rounded(limits.int8OperationsPerSecond / 1e9)} GOPS of int8`,
);
for (const precision of precisions) {
  const results = await new EngineBench(model, precision!, kvDtype, points, limits).run();
  printResults(results);
  const records = results.map((result) => [resultName(result), result] as const);
  writeResults(flags.json, "engine", Object.fromEntries(records));
}
