/**
 * Draws the tokens of a step once two things are there: the plan (from the scheduler) and the logits (from rank 0, in
 * shared memory). They come from different threads, in either order.
 */
import { type ActorContext, defineActor } from "../src/runtime/actor-definition.ts";
import { Sampler } from "../src/sampling/sampler.ts";
import type { SamplingBatch } from "../src/scheduling/step-plan.ts";
import { KV_STORE, type SamplerProtocol, SCHEDULER } from "./messages.ts";

interface SamplerState {
  readonly logits: Float32Array;
  readonly vocabSize: number;
  epoch: number;
  sampler: Sampler;
  plan: SamplingBatch | null;
  /** The step whose logits are in memory, and how long they took. */
  computedStep: number;
  executeMs: number;
}

type Context = ActorContext<SamplerProtocol, SamplerState>;

export default defineActor<SamplerProtocol, null, SamplerState>({
  async init(ctx) {
    const { logits } = await ctx.ask(KV_STORE, "attach", null);
    const { vocabSize, buffer } = logits;
    return {
      logits: new Float32Array(buffer),
      vocabSize,
      epoch: 0,
      sampler: new Sampler({ vocabSize }),
      plan: null,
      computedStep: 0,
      executeMs: 0,
    };
  },
  handlers: {
    plan(state, { epoch, batch }, ctx) {
      enterEpoch(state, epoch);
      if (epoch < state.epoch) return;
      state.plan = batch;
      sampleWhenComplete(state, ctx);
    },
    logits(state, { epoch, step, executeMs }, ctx) {
      enterEpoch(state, epoch);
      if (epoch < state.epoch) return;
      state.computedStep = step;
      state.executeMs = executeMs;
      sampleWhenComplete(state, ctx);
    },
  },
});

/** A new scheduler numbers sequences and steps from the start, so nothing of the old one may be left. */
function enterEpoch(state: SamplerState, epoch: number): void {
  if (epoch <= state.epoch) return;
  state.epoch = epoch;
  state.sampler = new Sampler({ vocabSize: state.vocabSize });
  state.plan = null;
  state.computedStep = 0;
}

function sampleWhenComplete(state: SamplerState, ctx: Context): void {
  const { plan, epoch, executeMs } = state;
  if (plan === null || plan.step !== state.computedStep) return;
  state.plan = null;
  const startMs = performance.now();
  const result = state.sampler.run(plan, state.logits);
  const parts = { executeMs, sampleMs: performance.now() - startMs };
  ctx.tell(SCHEDULER, "sampled", { epoch, result, parts });
}
