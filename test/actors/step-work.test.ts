/** What a step costs in counts, which no machine and no neighbour can change: a guard against work that creeps in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Engine } from "../../src/protocol/engine.ts";
import { params, startTestEngine, type TestEngine, whole } from "./test-engine.ts";

/** The embedded model. */
const SHAPE = { numLayers: 4, numKvHeads: 4, headDim: 32, vocabSize: 2048 };
const FLOAT = 4;
/** Attention reads keys in blocks of so many. */
const KEY_QUANTUM = 64;
const NUM_STREAMS = 8;
const NUM_PROMPT_TOKENS = 20;
const NUM_NEW_TOKENS = 40;

test("a decode step of 8 streams is one run, copies only what is needed, and gathers each page once", async () => {
  await using started = await startTestEngine({ engine: { prefixCache: false } });
  const { engine } = started;
  await runStreams(engine, 1);
  await runStreams(engine, NUM_STREAMS);
  const decodes = engine.snapshot().steps.filter(({ numTokens }) => numTokens === NUM_STREAMS);
  assert.ok(decodes.length > 0);
  const { numLayers, numKvHeads, headDim, vocabSize } = SHAPE;
  const kvWidth = numKvHeads * headDim;
  const rowBytes = FLOAT * (numLayers * 2 * kvWidth + vocabSize);
  for (const { numRuns, numOutputs, outputBytes, gatheredBytes } of decodes) {
    within(numRuns, 1, "runs: all layers are one stack");
    within(numOutputs, 2 * numLayers + 1, "tensors: keys and values of each layer, and the logits");
    within(outputBytes, NUM_STREAMS * rowBytes, "bytes of those");
    const keyBytes = NUM_STREAMS * KEY_QUANTUM * 2 * kvWidth * FLOAT * numLayers;
    within(gatheredBytes, keyBytes, "bytes of keys and values, padded to a block");
  }
});

test("a step is one message to each actor that works on it, and two to the sampler, however many streams it has", async () => {
  await using started = await startTestEngine({ engine: { prefixCache: false } });
  for (const numStreams of [1, NUM_STREAMS]) {
    const before = await messagesOf(started);
    const numStepsBefore = started.engine.status().counters.steps;
    await runStreams(started.engine, numStreams);
    const handled = await messagesOf(started);
    const numSteps = started.engine.status().counters.steps - numStepsBefore;
    const during = (actor: string): number => handled.get(actor)! - before.get(actor)!;
    assert.equal(during("model-agent-0"), numSteps);
    assert.equal(during("sampler"), 2 * numSteps);
    // beside its steps: submissions; requests and what became of their prompts; prompts
    within(during("scheduler"), numSteps + numStreams, "messages to the scheduler");
    within(during("edge"), numSteps + 2 * numStreams, "messages to the edge");
    within(during("tokenizer-pool"), numSteps + numStreams, "messages to the tokenizer pool");
  }
});

test("nothing is allocated for a token that its step does not allocate anyway", async () => {
  await using started = await startTestEngine({ engine: { prefixCache: false } });
  const outputsOfStep = async (numStreams: number): Promise<number> => {
    await runStreams(started.engine, numStreams);
    const { steps } = started.engine.snapshot();
    return steps.findLast(({ numTokens }) => numTokens === numStreams)!.numOutputs;
  };
  assert.equal(await outputsOfStep(NUM_STREAMS), await outputsOfStep(1));
});

async function runStreams(engine: Engine, numStreams: number): Promise<void> {
  const request = (stream: number) => ({
    prompt: {
      kind: "ids",
      ids: Array.from({ length: NUM_PROMPT_TOKENS }, (_, i) => 300 + stream * 31 + i),
    } as const,
    params: params({ maxTokens: NUM_NEW_TOKENS, ignoreEos: true }),
  });
  await Promise.all(Array.from({ length: numStreams }, (_, stream) => whole(engine, request(stream))));
}

/** By actor, once all handlers have ended: a message counts then. */
async function messagesOf({ engine }: TestEngine): Promise<Map<string, number>> {
  while (engine.inspect().actors.some(({ numActive }) => numActive > 0)) await nextTurn();
  return new Map(engine.inspect().actors.map(({ name, numHandled }) => [name, numHandled]));
}

/** Less is progress: then lower the limit. Nothing at all would mean that nobody counts. */
function within(value: number, limit: number, what: string): void {
  assert.ok(value > 0 && value <= limit, `${value} ${what}; the limit is ${limit}`);
}
