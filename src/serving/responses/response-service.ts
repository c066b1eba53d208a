/** The Responses API without a transport: HTTP routes and sockets create, read, cancel and delete responses here. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ChatMessage } from "../../protocol/engine.ts";
import type { ResponseEvent } from "../../protocol/openai/response-event.ts";
import { addCall, type InputItem, toMessages } from "../../protocol/openai/response-items.ts";
import { toResponseHeader, type WireResponse } from "../../protocol/openai/response-object.ts";
import { nameResponseField, type ResponseRequest } from "../../protocol/openai/response-request.ts";
import { planTools, type ToolPlan } from "../../protocol/tools/tool-plan.ts";
import type { SamplingParams } from "../../sampling/sampling-params.ts";
import type { Caller } from "../caller.ts";
import { KeptStreams } from "../kept-streams.ts";
import type { NumberedEvent } from "../live-stream.ts";
import { checkModel, type ServingContext, toSamplingParams } from "../serving-context.ts";
import { type ResponseRun, startResponse } from "./response-run.ts";
import { ResponseStore, type StoredResponse } from "./response-store.ts";
import { truncateConversation } from "./truncate-conversation.ts";

interface Running {
  /** Null until the engine has admitted it; nobody knows its id before. */
  run: ResponseRun | null;
  readonly request: ResponseRequest;
  readonly owner: string;
  readonly inputItems: readonly InputItem[];
}

/** Where a request for a response comes from. */
export interface Requester extends Pick<Caller, "owner" | "traceparent"> {
  /** Aborted when the connection is lost; of no effect once the engine has admitted the response. */
  readonly signal: AbortSignal;
  /** What goes on without its connection counts toward its client's limit until then. */
  countUntil(ended: Promise<void>): void;
  /** Where responses go that are not stored, and where earlier ones are looked for first. */
  readonly memory?: ResponseStore;
}

/** All responses of one server. */
export class ResponseService {
  readonly #context: ServingContext;
  readonly #store: ResponseStore;
  readonly #streams: KeptStreams<ResponseEvent>;
  readonly #running = new Map<string, Running>();

  constructor(context: ServingContext) {
    const { clock, limits } = context;
    this.#context = context;
    this.#store = new ResponseStore({
      clock,
      maxBytes: limits.maxStoredResponseBytes,
      ttlMs: limits.storedResponseTtlMs,
    });
    this.#streams = new KeptStreams({ clock, windowMs: limits.resumeWindowMs });
  }

  /**
   * Resolves when the engine has admitted the response.
   *
   * @throws TroupeError of the request or the engine; `not_found` for an unknown previous response.
   */
  async create(request: ResponseRequest, requester: Requester): Promise<ResponseRun> {
    const { signal, owner, traceparent, memory } = requester;
    const context = this.#context.forModel(request.model);
    const model = checkModel(context, request.model);
    const { plan, params } = planResponse(context, request);
    const earlier = this.#historyBefore(request.previousResponseId, requester);
    const messages = [...earlier, ...toMessages(request.items)];
    const id = `resp_${context.newId()}`;
    const inputItems = request.items.map((item) => ({ id: `msg_${context.newId()}`, ...item }));
    const prompt = request.isGenerated ? await toPrompt(context, request, messages, params) : null;
    const store = request.isStored ? this.#store : memory;
    const running: Running = { run: null, request, owner, inputItems };
    this.#running.set(id, running);
    try {
      running.run = await startResponse(context, {
        request,
        header: toResponseHeader(request, params, { id, created: context.unixSeconds(), model }),
        generate:
          prompt === null
            ? null
            : {
                requestId: id,
                prompt: { kind: "chat", messages: prompt, ...templateTools(request) },
                params,
              },
        tools: plan,
        signal,
        traceparent,
        onFinal: (response) => {
          const wasDeleted = !this.#running.delete(id);
          if (!wasDeleted)
            store?.put({ owner, response, inputItems, history: [...messages, ...answerOf(response)] });
        },
      });
    } catch (thrown) {
      this.#running.delete(id);
      throw thrown;
    }
    if (request.isStored || request.isResumable) this.#streams.add(id, owner, running.run);
    if (request.isBackground || request.isResumable) requester.countUntil(running.run.final);
    return running.run;
  }

  /** @throws TroupeError `not_found`. */
  retrieve(id: string, owner: string): WireResponse {
    const running = this.#runningOf(id, owner);
    if (running?.run != null && running.request.isStored) return running.run.response;
    return this.#stored(id, owner).response;
  }

  /**
   * The events from number `from` on, as they come.
   *
   * @throws TroupeError `not_found`, also when the events are forgotten and only the response is stored.
   */
  read(
    id: string,
    owner: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<NumberedEvent<ResponseEvent>> {
    return this.#streams.read(id, owner, from, signal);
  }

  /**
   * Cancels a response that is being made; one that is final stays as it is.
   *
   * @returns the response after it has ended.
   * @throws TroupeError `not_found`.
   */
  async cancel(id: string, owner: string): Promise<WireResponse> {
    const running = this.#runningOf(id, owner);
    if (running?.run == null) return this.#stored(id, owner).response;
    running.run.cancel(new TroupeError("cancelled", "Cancelled by the client."));
    await running.run.final;
    return running.run.response;
  }

  /** Forgets a response; one that is being made is cancelled. @throws TroupeError `not_found`. */
  delete(id: string, owner: string): void {
    const running = this.#runningOf(id, owner);
    if (running === undefined) this.#stored(id, owner);
    this.#running.delete(id);
    running?.run?.cancel(new TroupeError("cancelled", "Deleted by the client."));
    this.#streams.delete(id);
    this.#store.delete(id);
  }

  /** What the request brought, oldest first. @throws TroupeError `not_found`. */
  inputItems(id: string, owner: string): readonly InputItem[] {
    return this.#runningOf(id, owner)?.inputItems ?? this.#stored(id, owner).inputItems;
  }

  #historyBefore(id: string | null, { owner, memory }: Requester): readonly ChatMessage[] {
    if (id === null) return [];
    const stored = memory?.get(id) ?? this.#store.get(id);
    if (stored?.owner === owner) return stored.history;
    const details = { param: "previous_response_id" };
    if (this.#runningOf(id, owner) !== undefined) {
      const message = `The response ${JSON.stringify(id)} has not ended; wait until its status is final.`;
      throw new TroupeError("invalid_request", message, { details });
    }
    throw unknownResponse(id, details);
  }

  /** Others' responses are not there, so that nobody learns that they exist. */
  #stored(id: string, owner: string): StoredResponse {
    const stored = this.#store.get(id);
    if (stored?.owner !== owner) throw unknownResponse(id);
    return stored;
  }

  #runningOf(id: string, owner: string): Running | undefined {
    const running = this.#running.get(id);
    return running?.owner === owner ? running : undefined;
  }
}

async function toPrompt(
  { engine }: ServingContext,
  request: ResponseRequest,
  messages: readonly ChatMessage[],
  params: SamplingParams,
): Promise<readonly ChatMessage[]> {
  const { instructions: text } = request;
  const instructions = text === null ? [] : [{ role: "system", content: text }];
  if (messages.length + instructions.length === 0)
    throw new TroupeError("invalid_request", '"input": expected a string or at least one message.', {
      details: { param: "input" },
    });
  if (!request.isTruncated) return [...instructions, ...messages];
  const numAnswerTokens = params.maxTokens ?? 1;
  return await truncateConversation(engine, {
    instructions,
    messages,
    numAnswerTokens,
    ...templateTools(request),
  });
}

/** How the answer is made and read. */
function planResponse(
  context: ServingContext,
  request: ResponseRequest,
): { readonly plan: ToolPlan | null; readonly params: SamplingParams } {
  const { tools, format } = request;
  const plan =
    tools.request === null ? null : planTools(tools.request, context.engine.info.toolParser, format);
  const fields = plan?.keepsSpecialTokens ? { ...request.fields, skipSpecialTokens: false } : request.fields;
  const grammar = plan === null ? format : plan.grammar;
  return { plan, params: toSamplingParams(context, fields, nameResponseField, grammar) };
}

function templateTools({ tools }: ResponseRequest): { readonly tools?: readonly object[] } {
  return tools.forTemplate.length === 0 ? {} : { tools: tools.forTemplate };
}

/** Calls belong to the turn of the text before them. */
function answerOf(response: WireResponse): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (const item of response.output) {
    if (item.type === "function_call") addCall(messages, item);
    else messages.push({ role: item.role, content: item.content.map((part) => part.text).join("\n") });
  }
  return messages;
}

function unknownResponse(id: string, details: Readonly<Record<string, unknown>> = {}): TroupeError {
  const name = JSON.stringify(id.slice(0, 200));
  const message = `There is no response ${name}: it was never stored, is another key's, was deleted, or had to make room (server.maxStoredResponseBytes, server.storedResponseTtlMs).`;
  return new TroupeError("not_found", message, { details });
}
