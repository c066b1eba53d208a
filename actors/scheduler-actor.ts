/**
 * The loop of the engine: plan a step, send it out, wait for its tokens, commit, plan the next. One step is in flight
 * at a time; everything that arrives meanwhile waits for the next plan.
 */

import type { Timer } from "../src/core/clock.ts";
import { KvCache, type KvCacheOptions } from "../src/kv/kv-cache.ts";
import { type ActorContext, defineActor } from "../src/runtime/actor-definition.ts";
import { Scheduler, type SchedulerOptions } from "../src/scheduling/scheduler.ts";
import { StatusWriter } from "../src/scheduling/status-board.ts";
import { StepTimesWriter } from "../src/scheduling/step-times.ts";
import {
  EDGE,
  KV_STORE,
  modelAgent,
  SAMPLER,
  type SchedulerProtocol,
  START_DEADLINE_MS,
} from "./messages.ts";
import { watchStep } from "./step-watchdog.ts";

/** Limits of the scheduler, its pages, and the number of ranks that compute its steps. */
export interface SchedulerArgs {
  readonly options: SchedulerOptions;
  readonly kv: KvCacheOptions;
  readonly numRanks: number;
  readonly stepTimeoutMs: number;
}

interface SchedulerState {
  readonly scheduler: Scheduler;
  readonly status: StatusWriter;
  readonly stepTimes: StepTimesWriter;
  readonly numRanks: number;
  readonly stepTimeoutMs: number;
  /** Of the step in flight; null when there is none. */
  watchdog: Timer | null;
  /** Plans again when a batch has waited long enough; null when none waits. */
  wake: Timer | null;
  /** Of the step in flight, or the last one. */
  stepStartMs: number;
  planMs: number;
  numStepTokens: number;
}

type Context = ActorContext<SchedulerProtocol, SchedulerState>;

export default defineActor<SchedulerProtocol, SchedulerArgs, SchedulerState>({
  async init(ctx, { options, kv, numRanks, stepTimeoutMs }) {
    const { status, stepTimes, pageMap } = await ctx.ask(KV_STORE, "attach", null);
    const ranks = Array.from({ length: numRanks }, (_, rank) => modelAgent(rank));
    const deadlineMs = START_DEADLINE_MS;
    // the first step's time must not count the loading of the model
    await Promise.all(ranks.map((rank) => ctx.ask(rank, "loaded", null, { deadlineMs })));
    // after init, so that what the edge submits in answer finds this actor started
    ctx.after(0, () => void ctx.tell(EDGE, "schedulerReady", { epoch: ctx.incarnation }));
    const scheduler = new Scheduler(options, new KvCache(kv, pageMap));
    const writer = new StatusWriter(status);
    // there are pages before the first request
    writer.write(scheduler.status());
    return {
      scheduler,
      status: writer,
      stepTimes: new StepTimesWriter(stepTimes),
      numRanks,
      stepTimeoutMs,
      watchdog: null,
      wake: null,
      stepStartMs: 0,
      planMs: 0,
      numStepTokens: 0,
    };
  },
  handlers: {
    submit(state, request, ctx) {
      const isResubmission = request.resumed !== undefined;
      state.scheduler.add(request, { isResubmission, nowMs: ctx.clock.now() });
      startStep(state, ctx);
      return null;
    },
    cancel(state, { requestId, index }, ctx) {
      state.scheduler.cancel(requestId, index ?? undefined);
      startStep(state, ctx);
    },
    pause(state, { requestId }) {
      state.scheduler.pause(requestId);
    },
    resume(state, { requestId }, ctx) {
      state.scheduler.resume(requestId);
      startStep(state, ctx);
    },
    sampled(state, { epoch, result, parts }, ctx) {
      if (epoch !== ctx.incarnation) return;
      state.watchdog?.cancel();
      state.watchdog = null;
      const commitStartMs = ctx.clock.now();
      const output = state.scheduler.commit(result);
      const { stepStartMs, planMs, numStepTokens: numTokens } = state;
      const endMs = ctx.clock.now();
      // first of all the next step: the ranks have nothing to do until it comes
      startStep(state, ctx);
      ctx.tell(EDGE, "stepDone", { epoch, output, stepMs: ctx.clock.now() - stepStartMs });
      const [totalMs, commitMs] = [endMs - stepStartMs, endMs - commitStartMs];
      state.stepTimes.write({ ...parts, totalMs, planMs, commitMs, numTokens });
    },
  },
});

function startStep(state: SchedulerState, ctx: Context): void {
  if (state.watchdog === null) {
    const startMs = ctx.clock.now();
    const plan = state.scheduler.plan(startMs);
    if (plan === null) wakeLater(state, ctx, startMs);
    else {
      const { step } = plan.execution;
      state.watchdog = watchStep(ctx, step, state.stepTimeoutMs, () => state.scheduler.report());
      state.stepStartMs = startMs;
      state.numStepTokens = plan.execution.tokenIds.length;
      const epoch = ctx.incarnation;
      for (let rank = 0; rank < state.numRanks; rank++)
        ctx.tell(modelAgent(rank), "execute", { epoch, batch: plan.execution });
      ctx.tell(SAMPLER, "plan", { epoch, batch: plan.sampling });
      state.planMs = ctx.clock.now() - startMs;
    }
  }
  state.status.write(state.scheduler.status());
}

/** A step that runs plans the next one at its end; without one, time alone may let a batch begin. */
function wakeLater(state: SchedulerState, ctx: Context, nowMs: number): void {
  const delayMs = state.scheduler.timeToBatch(nowMs);
  state.wake?.cancel();
  state.wake = delayMs === null ? null : ctx.after(delayMs, () => startStep(state, ctx));
}
