/**
 * The client's side of every request: turns prompts into tokens, submits, turns tokens into text, pauses who reads too
 * slowly, cancels who went away. It outlives the other actors of the engine, so after a restart it submits again what was
 * running, with the tokens there are; clients notice a pause and nothing else.
 */
import { randomInt, randomUUID } from "node:crypto";
import { TroupeError, toTroupeError } from "../src/errors/troupe-error.ts";
import type { GenerateRequest, GenerationEvent } from "../src/protocol/engine.ts";
import { ActiveRequest } from "../src/requests/active-request.ts";
import {
  checkPromptLength,
  type PromptLimits,
  promptCuts,
  shortenAnswer,
} from "../src/requests/fit-request.ts";
import { RequestTable, tokenSteps } from "../src/requests/request-table.ts";
import { type TextStage, tokenIdsOnly } from "../src/requests/text-stage.ts";
import { type ActorContext, type Call, defineActor } from "../src/runtime/actor-definition.ts";
import type { ActorRef, AnyActorRef } from "../src/runtime/actor-types.ts";
import { isActorGone } from "./gone.ts";
import { type AdmissionProtocol, type EdgeProtocol, SCHEDULER } from "./messages.ts";
import { pooledTextStage } from "./pooled-text-stage.ts";

/** How text is made. */
export interface EdgeArgs {
  /** False serves token ids alone. */
  readonly hasTokenizer: boolean;
  readonly promptLimits: PromptLimits;
  /** Who is asked to submit a request: the scheduler, or an actor that stands before it. */
  readonly admission: ActorRef<AdmissionProtocol>;
}

interface EdgeState {
  readonly text: TextStage;
  readonly promptLimits: PromptLimits;
  readonly requests: RequestTable;
  readonly admission: ActorRef<AdmissionProtocol>;
  /** The scheduler that takes requests; 0 while there is none. */
  epoch: number;
  isDraining: boolean;
  onClosed: (() => void) | null;
}

type Context = ActorContext<EdgeProtocol, EdgeState>;

export default defineActor<EdgeProtocol, EdgeArgs, EdgeState>({
  init: (ctx, { hasTokenizer, promptLimits, admission }) => ({
    text: hasTokenizer ? pooledTextStage(ctx) : tokenIdsOnly,
    promptLimits,
    requests: new RequestTable(),
    admission,
    epoch: 0,
    isDraining: false,
    onClosed: null,
  }),
  handlers: {
    generate,
    async schedulerReady(state, { epoch }, ctx) {
      state.epoch = epoch;
      ctx.watch(SCHEDULER);
      for (const request of state.requests.all) if (request.isActive) await submit(state, request, ctx);
    },
    async stepDone(state, { epoch, output, stepMs }, ctx) {
      if (epoch !== state.epoch) return;
      for (const { requestId, logprobs } of output.prompts)
        state.requests.get(requestId)?.showPrompt(await state.text.textLogprobs(logprobs));
      const pending = state.requests.beginStep(output, ctx.clock.now() - stepMs);
      if (pending.length === 0) return;
      const texts = await state.text.advanceAll(tokenSteps(pending));
      for (const ended of state.requests.endStep(pending, texts)) ctx.tell(SCHEDULER, "cancel", ended);
    },
    drain,
    cut(state) {
      failAll(state, new TroupeError("not_ready", "The engine was stopped before this request had ended."));
    },
  },
  onDown(state, { ref, incarnation }) {
    if (ref.actor === SCHEDULER.actor && incarnation === state.epoch) state.epoch = 0;
  },
  onStop(state, reason) {
    const cause = reason.kind === "crash" ? reason.error : undefined;
    failAll(state, new TroupeError("engine_failed", "The engine stopped while this request ran.", { cause }));
  },
});

async function* generate(
  state: EdgeState,
  message: GenerateRequest,
  ctx: Context,
  call: Call,
): AsyncGenerator<GenerationEvent, void, undefined> {
  if (state.isDraining)
    throw new TroupeError("not_ready", "The server is stopping; send the request elsewhere.");
  const request = await open(state, message, ctx);
  const cancel = (): void => request.fail(new TroupeError("cancelled", "The request was cancelled."));
  call.signal.addEventListener("abort", cancel, { once: true });
  if (call.signal.aborted) cancel();
  try {
    // while no scheduler is there, the next one gets it with the others
    if (state.epoch > 0 && request.isActive) await submit(state, request, ctx);
    yield* request.events;
  } finally {
    call.signal.removeEventListener("abort", cancel);
    state.requests.remove(request);
    if (!request.isComplete) ctx.tell(SCHEDULER, "cancel", { requestId: request.requestId, index: null });
    state.onClosed?.();
  }
}

async function open(
  state: EdgeState,
  { prompt, params: asked, ...message }: GenerateRequest,
  ctx: Context,
): Promise<ActiveRequest> {
  const requestId = message.requestId ?? randomUUID();
  const submittedMs = ctx.clock.now();
  const { promptLimits } = state;
  const cuts = promptCuts(promptLimits, message.promptCut);
  const { endTokenIds, ...staged } = await state.text.prepare(prompt, asked, cuts);
  const numTokens = staged.promptIds.length;
  checkPromptLength(promptLimits, numTokens);
  const params = message.shortensAnswer ? shortenAnswer(asked, promptLimits, numTokens) : asked;
  const ends = params.ignoreEos ? [] : endTokenIds;
  const request = new ActiveRequest({
    ...staged,
    requestId,
    params: ends.length === 0 ? params : { ...params, stopTokenIds: [...params.stopTokenIds, ...ends] },
    submittedMs,
    seed: params.seed ?? randomInt(2 ** 47),
    onPause: () => void ctx.tell(SCHEDULER, "pause", { requestId }),
    onResume: () => void ctx.tell(SCHEDULER, "resume", { requestId }),
  });
  state.requests.add(request);
  return request;
}

async function submit({ admission, epoch }: EdgeState, request: ActiveRequest, ctx: Context): Promise<void> {
  // the newcomer itself and the scheduler's announcement may both come here
  if (!request.claimSubmission(epoch)) return;
  try {
    await ctx.ask(admission, "submit", request.engineRequest());
    for (const index of request.finishedAnswers)
      ctx.tell(SCHEDULER, "cancel", { requestId: request.requestId, index });
    request.admitted();
  } catch (error) {
    const coded = toTroupeError(error);
    const isGone = isActorGone(coded);
    // a scheduler that died is followed by another, which gets every request that is left
    if (isGone && coded.details.actor === SCHEDULER.actor) return;
    request.fail(isGone ? notAdmitted(admission, coded) : coded);
  }
}

function notAdmitted({ actor }: AnyActorRef, cause: TroupeError): TroupeError {
  return new TroupeError("not_ready", `${actor}, which admits requests, is not there; retry.`, { cause });
}

async function* drain(state: EdgeState): AsyncGenerator<number, void, undefined> {
  state.isDraining = true;
  while (state.requests.size > 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    state.onClosed = resolve;
    yield state.requests.size;
    await promise;
  }
}

function failAll(state: EdgeState, error: TroupeError): void {
  for (const request of state.requests.all) request.fail(error);
}
