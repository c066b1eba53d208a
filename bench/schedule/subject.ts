/** The model that scheduling is measured on, and engines over it. */
import { startEngine } from "../../actors/engine.ts";
import type { EngineConfig, TroupeConfig } from "../../src/config/config.ts";
import { embeddedModelPath } from "../../src/config/embedded-model.ts";
import { parseConfig } from "../../src/config/load-config.ts";
import { defaultCacheDir } from "../../src/model/cache-dir.ts";
import type { Engine } from "../../src/protocol/engine.ts";
import { createSamplingParams } from "../../src/sampling/create-sampling-params.ts";
import { randomModel } from "../random-model.ts";

/** What a scenario gives: a figure for each thing, by name. */
export type Figures = Readonly<Record<string, number | string>>;

/** See the module header. */
export interface Subject {
  /** Of the table. */
  readonly name: string;
  config(engine: Partial<EngineConfig>): TroupeConfig;
}

/** The embedded model. */
export function embeddedSubject(): Subject {
  const model = { path: embeddedModelPath(), skipTokenizerInit: true, cacheDir: defaultCacheDir() };
  return { name: "embedded model", config: (engine) => parseConfig({ model, engine }) };
}

/** Some or all layers of TinyLlama-1.1B in w8. */
export function randomSubject(numLayers: number): Subject {
  const { modelDir, cacheDir } = randomModel({ numLayers });
  const model = { path: modelDir, cacheDir, precision: "w8", skipTokenizerInit: true } as const;
  return {
    name: `${numLayers} layers of TinyLlama-1.1B, w8`,
    config: (engine) => parseConfig({ model, engine: { kvCacheMb: 1024, ...engine } }),
  };
}

/** Starts an engine for as long as `use` takes. */
export async function withEngine<T>(
  subject: Subject,
  config: Partial<EngineConfig>,
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await startEngine(subject.config(config));
  try {
    return await use(engine);
  } finally {
    await engine.stop();
  }
}

/** One greedy answer of a fixed length, and when its tokens came. */
export interface Answer {
  readonly tokenIds: readonly number[];
  readonly firstTokenMs: number;
  /** Between one delta and the next. */
  readonly gapsMs: readonly number[];
  readonly numCachedTokens: number;
}

export async function ask(engine: Engine, ids: readonly number[], maxTokens: number): Promise<Answer> {
  const params = createSamplingParams({ temperature: 0, maxTokens, ignoreEos: true });
  const tokenIds: number[] = [];
  const timesMs: number[] = [];
  let numCachedTokens = 0;
  const startMs = performance.now();
  for await (const event of engine.generate({ prompt: { kind: "ids", ids }, params })) {
    if (event.kind === "done") numCachedTokens = event.usage.numCachedTokens;
    if (event.kind !== "delta") continue;
    tokenIds.push(...event.tokenIds);
    timesMs.push(performance.now());
  }
  const gapsMs = timesMs.slice(1).map((ms, index) => ms - timesMs[index]!);
  return { tokenIds, firstTokenMs: timesMs[0]! - startMs, gapsMs, numCachedTokens };
}
