/**
 * Draws the tokens of a step once two things are there: the plan (from the scheduler) and the logits (from rank 0, in
 * shared memory). They come from different threads, in either order.
 */
import type { PostSamplingSession } from "../src/execution/graph/post-sampling-session.ts";
import type { PostSamplingGraphs } from "../src/model/graphs/post-sampling.ts";
import { type ActorContext, defineActor } from "../src/runtime/actor-definition.ts";
import { Sampler, type SamplerOptions } from "../src/sampling/sampler.ts";
import type { SamplingBatch } from "../src/scheduling/step-plan.ts";
import { askUntilUp } from "./ask-until-up.ts";
import {
  KV_STORE,
  type ModelWork,
  type SamplerProtocol,
  SCHEDULER,
  START_DEADLINE_MS,
  TOKENIZER_POOL,
} from "./messages.ts";

/** What the sampler is started with. */
export interface SamplerArgs {
  /** False: grammars are refused before they come here. */
  readonly hasTokenizer: boolean;
  /** Graphs that find the best tokens; null finds them without. */
  readonly postSampling: PostSamplingGraphs | null;
}

interface SamplerState {
  readonly logits: Float32Array;
  readonly options: SamplerOptions;
  readonly postSampling: PostSamplingSession | null;
  epoch: number;
  sampler: Sampler;
  plan: SamplingBatch | null;
  /** The step whose logits are in memory, and what they took. */
  computedStep: number;
  work: ModelWork | null;
}

type Context = ActorContext<SamplerProtocol, SamplerState>;

export default defineActor<SamplerProtocol, SamplerArgs, SamplerState>({
  async init(ctx, { hasTokenizer, postSampling: graphs }) {
    const { logits } = await ctx.ask(KV_STORE, "attach", null);
    const { vocabSize, buffer } = logits;
    const askVocabulary = () =>
      ctx.ask(TOKENIZER_POOL, "vocabulary", null, { deadlineMs: START_DEADLINE_MS });
    const tokens = hasTokenizer
      ? await askUntilUp(ctx.clock, askVocabulary, () => ctx.stopRequested())
      : null;
    const postSampling = graphs === null ? null : await openPostSampling(graphs, vocabSize);
    const options = { vocabSize, tokens, postSampling };
    return {
      postSampling,
      logits: new Float32Array(buffer),
      options,
      epoch: 0,
      sampler: new Sampler(options),
      plan: null,
      computedStep: 0,
      work: null,
    };
  },
  handlers: {
    plan(state, { epoch, batch }, ctx) {
      enterEpoch(state, epoch);
      if (epoch < state.epoch) return;
      state.plan = batch;
      sampleWhenComplete(state, ctx);
    },
    logits(state, { epoch, step, work }, ctx) {
      enterEpoch(state, epoch);
      if (epoch < state.epoch) return;
      state.computedStep = step;
      state.work = work;
      sampleWhenComplete(state, ctx);
    },
  },
  onStop({ postSampling }) {
    postSampling?.release();
  },
});

/** Loads ONNX Runtime on this thread only where there is something to run. */
async function openPostSampling(graphs: PostSamplingGraphs, vocabSize: number): Promise<PostSamplingSession> {
  const { loadPostSampling } = await import("../src/execution/graph/post-sampling-session.ts");
  return loadPostSampling(graphs, { vocabSize, numThreads: 1 });
}

/** A new scheduler numbers sequences and steps from the start, so nothing of the old one may be left. */
function enterEpoch(state: SamplerState, epoch: number): void {
  if (epoch <= state.epoch) return;
  state.epoch = epoch;
  state.sampler = new Sampler(state.options);
  state.plan = null;
  state.computedStep = 0;
}

function sampleWhenComplete(state: SamplerState, ctx: Context): void {
  const { plan, epoch, work } = state;
  if (plan === null || work === null || plan.step !== state.computedStep) return;
  state.plan = null;
  const startMs = performance.now();
  const result = state.sampler.run(plan, state.logits);
  const parts = { ...work, sampleMs: performance.now() - startMs };
  ctx.tell(SCHEDULER, "sampled", { epoch, result, parts });
}
