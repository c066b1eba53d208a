/** Engines over the models of the repository, and the whole answer of a request. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CastEngine } from "../../actors/engine.ts";
import { startCast } from "../../actors/start-cast.ts";
import type { TroupeConfig } from "../../src/config/config.ts";
import { type PartialConfig, parseConfig } from "../../src/config/load-config.ts";
import type { Engine, GenerateRequest, GenerationEvent, Prompt, Usage } from "../../src/protocol/engine.ts";
import type { ActorSystem } from "../../src/runtime/actor-system.ts";
import { createSamplingParams } from "../../src/sampling/create-sampling-params.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";

/** An engine and the actors behind it. */
export interface TestEngine extends AsyncDisposable {
  readonly engine: Engine;
  readonly system: ActorSystem;
}

type Parts = Pick<PartialConfig, "model" | "engine">;

export function modelPath(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}

export function testConfig({ model, engine }: Parts = {}): TroupeConfig {
  const cacheDir = join(tmpdir(), "troupe-test-cache");
  return parseConfig({
    model: { path: modelPath("models/understudy"), cacheDir, ...model },
    engine: { kvCacheMb: 64, ...engine },
  });
}

export async function startTestEngine(parts: Parts = {}): Promise<TestEngine> {
  const started = await startCast(testConfig(parts), {});
  const engine = await CastEngine.attach(started);
  return { engine, system: started.system, [Symbol.asyncDispose]: () => engine.stop() };
}

/** A conversation of one question. */
export function question(content: string): Prompt {
  return { kind: "chat", messages: [{ role: "user", content }] };
}

export function params(fields: Partial<SamplingParams> = {}): SamplingParams {
  return createSamplingParams({ maxTokens: 64, temperature: 0, ...fields });
}

/** Everything a request gave. */
export interface Whole {
  readonly events: readonly GenerationEvent[];
  /** By index of the answer. */
  readonly texts: readonly string[];
  readonly tokenIds: readonly (readonly number[])[];
  readonly finishes: readonly Extract<GenerationEvent, { kind: "finish" }>[];
  readonly usage: Usage;
}

export async function whole(engine: Engine, request: GenerateRequest): Promise<Whole> {
  const events: GenerationEvent[] = [];
  const texts: string[] = [];
  const tokenIds: number[][] = [];
  const finishes: Extract<GenerationEvent, { kind: "finish" }>[] = [];
  let usage: Usage = { numPromptTokens: 0, numOutputTokens: 0, numCachedTokens: 0 };
  for await (const event of engine.generate(request)) {
    events.push(event);
    if (event.kind === "delta") {
      texts[event.index] = (texts[event.index] ?? "") + event.text;
      tokenIds[event.index] = [...(tokenIds[event.index] ?? []), ...event.tokenIds];
    } else if (event.kind === "finish") finishes[event.index] = event;
    else if (event.kind === "done") usage = event.usage;
  }
  return { events, texts, tokenIds, finishes, usage };
}

/**
 * Whether no sequence runs and every page is free. What was cancelled is freed by the step after the cancel has arrived,
 * so a few steps are given.
 */
export async function becomesIdle(engine: Engine): Promise<boolean> {
  const tiny = { prompt: { kind: "ids", ids: [1] }, params: params({ maxTokens: 1 }) } as const;
  for (let step = 0; step < 10; step++) {
    const { numRunning, numWaiting, numFreePages, numPages } = engine.status();
    if (numRunning + numWaiting === 0 && numFreePages === numPages) return true;
    await whole(engine, tiny);
  }
  return false;
}
