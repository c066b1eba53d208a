/** Load on an engine through its public interface, and what it took by the engine's own figures. */
import type { Engine } from "../src/protocol/engine.ts";
import { createSamplingParams } from "../src/sampling/create-sampling-params.ts";
import { type StepFigures, type StepPart, type StepTime, stepParts } from "../src/scheduling/step-times.ts";
import { coresOfOthers, type ProcessorTime, processorTime } from "./processor-time.ts";
import { randomPrompt } from "./random-model.ts";
import { median } from "./report.ts";
import type { OpenStream } from "./streams.ts";

/** More than any stream is let run. */
const MAX_TOKENS = 1536;

/** Greedy streams that end when they are aborted. */
export function openStreams(engine: Engine): OpenStream {
  const params = createSamplingParams({ temperature: 0, maxTokens: MAX_TOKENS, ignoreEos: true });
  return async function* stream(ids, signal) {
    for await (const event of engine.generate({ prompt: { kind: "ids", ids }, params }, { signal }))
      if (event.kind === "delta") yield event.tokenIds.length;
  };
}

/** Milliseconds from a request with a prompt of random tokens to its first token. */
export async function firstTokenMs(engine: Engine, promptLen: number, salt: number): Promise<number> {
  const ids = randomPrompt(promptLen, salt, engine.info.vocabSize);
  const params = createSamplingParams({ temperature: 0, maxTokens: 1, ignoreEos: true });
  const startMs = performance.now();
  let firstMs = Number.NaN;
  for await (const event of engine.generate({ prompt: { kind: "ids", ids }, params }))
    if (event.kind === "delta") firstMs = performance.now() - startMs;
  return firstMs;
}

/** An engine's figures at a moment. */
export interface Look {
  readonly atMs: number;
  readonly numSteps: number;
  readonly numTokens: number;
  readonly steps: readonly StepTime[];
  readonly totals: StepFigures;
  readonly processor: ProcessorTime;
}

export function lookAt(engine: Engine): Look {
  const { steps, totals } = engine.snapshot();
  const { generationTokens } = engine.status().counters;
  const numSteps = steps.at(-1)?.step ?? 0;
  return {
    atMs: performance.now(),
    numSteps,
    numTokens: generationTokens,
    steps,
    totals,
    processor: processorTime(),
  };
}

/** What lies between two looks. */
export interface Stretch {
  readonly seconds: number;
  readonly numSteps: number;
  /** Tokens that were drawn. */
  readonly numTokens: number;
  /** Of the last steps. */
  readonly p50StepMs: number;
  /** Milliseconds of a step, by part; `between` is what passes from the end of a step to the next one's plan. */
  readonly partsMs: Readonly<Record<StepPart | "between", number>>;
  /** Means of a step. */
  readonly numRuns: number;
  readonly outputBytes: number;
  readonly gatheredBytes: number;
  /** Cores that were busy with something else: what was measured meanwhile is worth less. */
  readonly coresOfOthers: number;
}

export function stretchBetween(before: Look, after: Look): Stretch {
  const numSteps = after.numSteps - before.numSteps;
  const mean = (read: (totals: StepFigures) => number): number =>
    (read(after.totals) - read(before.totals)) / numSteps;
  const partsBefore = new Map(stepParts(before.totals));
  const parts = stepParts(after.totals).map(([part, ms]) => [part, (ms - partsBefore.get(part)!) / numSteps]);
  const betweenMs = (after.atMs - before.atMs) / numSteps - mean(({ totalMs }) => totalMs);
  const last = after.steps.filter(({ step }) => step > before.numSteps);
  return {
    seconds: (after.atMs - before.atMs) / 1000,
    numSteps,
    numTokens: after.numTokens - before.numTokens,
    p50StepMs: median(last.map(({ totalMs }) => totalMs)),
    partsMs: {
      ...(Object.fromEntries(parts) as Record<StepPart, number>),
      between: Math.max(0, betweenMs),
    },
    numRuns: mean(({ numRuns }) => numRuns),
    outputBytes: mean(({ outputBytes }) => outputBytes),
    gatheredBytes: mean(({ gatheredBytes }) => gatheredBytes),
    coresOfOthers: coresOfOthers(before.processor, after.processor),
  };
}
