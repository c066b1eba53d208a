/** One response being made: admitted to the engine, its events kept for whoever reads them, cancelled on request. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GenerateRequest, Usage } from "../../protocol/engine.ts";
import type { ResponseEvent } from "../../protocol/openai/response-event.ts";
import { ResponseEvents } from "../../protocol/openai/response-events.ts";
import type { ResponseHeader, WireResponse } from "../../protocol/openai/response-object.ts";
import type { ResponseRequest } from "../../protocol/openai/response-request.ts";
import type { ToolPlan } from "../../protocol/tools/tool-plan.ts";
import { toClientError } from "../client-error.ts";
import { type Generation, startGeneration } from "../generation.ts";
import { type OpenStream, openStream } from "../open-stream.ts";
import type { ServingContext } from "../serving-context.ts";

const NO_USAGE: Usage = { numPromptTokens: 0, numOutputTokens: 0, numCachedTokens: 0 };

/** What a response is made of. */
export interface ResponseRunOptions {
  readonly request: ResponseRequest;
  readonly header: ResponseHeader;
  /** How calls are read out of the answer; null when none may be made. */
  readonly tools: ToolPlan | null;
  /** Null makes a response without an answer. */
  readonly generate: GenerateRequest | null;
  /** Of the connection that asks. */
  readonly signal: AbortSignal;
  readonly traceparent: string | null;
  /** Called with the final response before any reader sees its last event. */
  readonly onFinal: (response: WireResponse) => void;
}

/** A response that the engine has admitted. */
export interface ResponseRun extends OpenStream<ResponseEvent> {
  readonly id: string;
  /** As it stands. */
  readonly response: WireResponse;
  /** Resolves when nothing about it will change. */
  readonly final: Promise<void>;
  /** Why it failed, for a client that waits for the whole response. */
  readonly failure: TroupeError | null;
}

/** @throws TroupeError of the engine when it does not admit the response. */
export async function startResponse(
  context: ServingContext,
  options: ResponseRunOptions,
): Promise<ResponseRun> {
  const { request, header, signal } = options;
  const events = new ResponseEvents({
    header,
    itemId: header.id.replace("resp_", "msg_"),
    unixSeconds: context.unixSeconds,
    tools: options.tools,
  });
  const maker = new ResponseMaker(context, options, events);
  const { resumeWindowMs, maxStreamEvents } = context.limits;
  const open = await openStream({
    clock: context.clock,
    work: context.work,
    begin: (abort) => maker.begin(abort),
    maxEvents: maxStreamEvents,
    windowMs: request.isResumable || request.isBackground ? resumeWindowMs : 0,
    isAwaited: request.isStreamed,
    endsWithReaders: request.isStreamed && !request.isBackground,
    signal,
  });
  return {
    ...open,
    id: header.id,
    get response() {
      return events.response;
    },
    final: maker.final.promise,
    get failure() {
      return maker.failure;
    },
  };
}

/** Turns the engine's events, and whatever ends them early, into the response's. */
class ResponseMaker {
  readonly final = Promise.withResolvers<void>();
  failure: TroupeError | null = null;
  readonly #context: ServingContext;
  readonly #options: ResponseRunOptions;
  readonly #events: ResponseEvents;

  constructor(context: ServingContext, options: ResponseRunOptions, events: ResponseEvents) {
    this.#context = context;
    this.#options = options;
    this.#events = events;
  }

  async begin(signal: AbortSignal): Promise<AsyncIterable<ResponseEvent>> {
    const { generate, traceparent } = this.#options;
    const generation =
      generate === null ? null : await startGeneration(this.#context, [generate], signal, traceparent);
    return this.#make(generation, signal);
  }

  async *#make(generation: Generation | null, signal: AbortSignal): AsyncGenerator<ResponseEvent> {
    yield* this.#events.opening();
    let last: ResponseEvent[];
    try {
      let usage = NO_USAGE;
      for await (const { event } of generation?.events ?? []) {
        if (event.kind === "done") usage = event.usage;
        if (event.kind === "delta" || event.kind === "finish") yield* this.#events.step(event);
        signal.throwIfAborted();
      }
      last = this.#events.complete(usage);
    } catch (thrown) {
      last = this.#endEarly(signal.aborted ? signal.reason : thrown);
    }
    this.#options.onFinal(this.#events.response);
    this.final.resolve();
    yield* last;
  }

  #endEarly(reason: unknown): ResponseEvent[] {
    if (reason instanceof TroupeError && reason.code === "cancelled") return this.#events.cancel();
    this.failure = toClientError(this.#context.logger, reason, this.#options.header.id);
    return this.#events.fail(this.failure);
  }
}
