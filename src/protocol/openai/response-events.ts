/**
 * From the engine's events to the typed events of the Responses API, in OpenAI's order and numbered:
 *
 *     response.created, response.in_progress
 *       response.output_item.added, response.content_part.added
 *         response.output_text.delta ...
 *       response.output_text.done, response.content_part.done, response.output_item.done
 *       response.output_item.added, response.function_call_arguments.delta ... and done, response.output_item.done
 *     response.completed, response.incomplete or response.failed
 */
import type { TroupeError } from "../../errors/troupe-error.ts";
import type { FinishReason } from "../../scheduling/step-plan.ts";
import type { AnswerEvent } from "../collected-generation.ts";
import type { Usage } from "../engine.ts";
import type { ToolEvent } from "../tools/tool-events.ts";
import type { ToolPlan } from "../tools/tool-plan.ts";
import { ToolReader } from "../tools/tool-reader.ts";
import type { EventLogprob, ItemPlace, ResponseEvent, ResponseEventBody } from "./response-event.ts";
import {
  isFinal,
  type OutputItem,
  type OutputMessage,
  type ResponseFailure,
  type ResponseHeader,
  type ResponseProgress,
  type ResponseStatus,
  toResponseUsage,
  type WireResponse,
} from "./response-object.ts";
import {
  type OpenCall,
  type OpenItem,
  type OpenMessage,
  toOutputItem,
  toOutputMessage,
  toPart,
} from "./response-open-item.ts";
import { type ChatTokenLogprob, toChatToken } from "./wire-logprobs.ts";

/** What {@link ResponseEvents} starts from. */
export interface ResponseEventsOptions {
  readonly header: ResponseHeader;
  /** Id of the answer. */
  readonly itemId: string;
  /** Wall-clock time. */
  readonly unixSeconds: () => number;
  /** Null when the answer is text, whatever it looks like. */
  readonly tools?: Pick<ToolPlan, "parser" | "maxCalls"> | null;
}

/** Stateful: one for each response. */
export class ResponseEvents {
  readonly #options: ResponseEventsOptions;
  readonly #reader: ToolReader | null;
  readonly #items: OpenItem[] = [];
  #progress: Omit<ResponseProgress, "output"> = {
    status: "in_progress",
    completed_at: null,
    error: null,
    incomplete_details: null,
  };
  #finishReason: FinishReason = "stop";
  #numEvents = 0;

  constructor(options: ResponseEventsOptions) {
    this.#options = options;
    this.#reader = options.tools == null ? null : new ToolReader(options.tools);
  }

  /** The response as it stands. */
  get response(): WireResponse {
    return { ...this.#options.header, ...this.#progress, output: this.#items.map(toOutputItem) };
  }

  get isFinal(): boolean {
    return isFinal(this.#progress.status);
  }

  /** Events that need no token yet. */
  opening(): ResponseEvent[] {
    const types = ["response.created", "response.in_progress"] as const;
    return types.map((type) => this.#event({ type, response: this.response }));
  }

  /** Events for one event of the answer. */
  step(event: AnswerEvent): ResponseEvent[] {
    return event.kind === "finish" ? this.#finish(event.finishReason) : this.#delta(event);
  }

  #finish(reason: FinishReason): ResponseEvent[] {
    this.#finishReason = reason;
    const last = this.#take(this.#reader?.end() ?? [], null);
    // An answer without a token is an empty message.
    const opened = this.#items.length === 0 ? this.#openMessage() : [];
    return [...last, ...opened, ...this.#closeItem(reason === "stop" ? "completed" : "incomplete")];
  }

  #delta({ text, logprobs }: AnswerEvent & { kind: "delta" }): ResponseEvent[] {
    const scored = logprobs?.map(toChatToken) ?? null;
    if (this.#reader !== null) return this.#take(this.#reader.push(text), scored);
    return text === "" && (scored ?? []).length === 0 ? [] : this.#addText(text, scored);
  }

  /** Log-probabilities go with the first text of a step; calls have no place for them. */
  #take(found: readonly ToolEvent[], logprobs: readonly ChatTokenLogprob[] | null): ResponseEvent[] {
    let rest = logprobs;
    return found.flatMap((event) => {
      if (event.kind === "call") return this.#openCall(event.name);
      if (event.kind === "arguments") return this.#addArguments(event.text);
      const scored = rest;
      rest = rest === null ? null : [];
      return this.#addText(event.text, scored);
    });
  }

  /** The end of a response that was neither cancelled nor failed. */
  complete(usage: Usage): ResponseEvent[] {
    const progress = { usage: toResponseUsage(usage) };
    if (this.#finishReason === "cancelled") return this.#end("cancelled", progress);
    if (this.#finishReason === "length")
      return this.#end("incomplete", { ...progress, incomplete_details: { reason: "max_output_tokens" } });
    return this.#end("completed", { ...progress, completed_at: this.#options.unixSeconds() });
  }

  /** The end of a response that somebody cancelled. OpenAI has no event of that name. */
  cancel(): ResponseEvent[] {
    return this.#end("cancelled", {});
  }

  /** The end of a response that could not be finished. */
  fail(error: TroupeError): ResponseEvent[] {
    return this.#end("failed", { error: { code: failureCode(error), message: error.message } });
  }

  #end(status: ResponseStatus, progress: Partial<ResponseProgress>): ResponseEvent[] {
    if (this.isFinal) return [];
    const closed = this.#closeItem("incomplete");
    this.#progress = { ...this.#progress, ...progress, status };
    const type = status === "cancelled" ? "response.incomplete" : (`response.${status}` as const);
    return [...closed, this.#event({ type: type as "response.completed", response: this.response })];
  }

  #addText(text: string, logprobs: readonly ChatTokenLogprob[] | null): ResponseEvent[] {
    const opened = this.#current?.type === "message" ? [] : this.#openMessage();
    const message = this.#current as OpenMessage;
    message.text += text;
    if (logprobs !== null) message.logprobs = [...(message.logprobs ?? []), ...logprobs];
    const delta = { delta: text, logprobs: (logprobs ?? []).map(toEventLogprob) };
    return [
      ...opened,
      this.#event({ type: "response.output_text.delta", ...this.#place(message), ...delta }),
    ];
  }

  #openMessage(): ResponseEvent[] {
    const closed = this.#closeItem("completed");
    const { itemId } = this.#options;
    const numItems = this.#items.length;
    const id = numItems === 0 ? itemId : `${itemId}_${numItems}`;
    const message: OpenMessage = { type: "message", id, text: "", logprobs: null, status: "in_progress" };
    this.#items.push(message);
    return [
      ...closed,
      this.#added({ ...toOutputMessage(message), content: [] }),
      this.#event({ type: "response.content_part.added", ...this.#place(message), part: toPart(message) }),
    ];
  }

  #openCall(name: string): ResponseEvent[] {
    const closed = this.#closeItem("completed");
    const id = `${this.#options.itemId.replace("msg_", "")}_${this.#items.length}`;
    const ids = { id: `fc_${id}`, call_id: `call_${id}` };
    const call: OpenCall = { type: "function_call", ...ids, name, arguments: "", status: "in_progress" };
    this.#items.push(call);
    return [...closed, this.#added({ ...call })];
  }

  #addArguments(text: string): ResponseEvent[] {
    const call = this.#current as OpenCall;
    call.arguments += text;
    const place = { item_id: call.id, output_index: this.#items.length - 1 };
    return [this.#event({ type: "response.function_call_arguments.delta", ...place, delta: text })];
  }

  /** Closes the item that is open, if one is. */
  #closeItem(status: OutputMessage["status"]): ResponseEvent[] {
    const item = this.#current;
    if (item === null) return [];
    item.status = status;
    const output_index = this.#items.length - 1;
    const ends = item.type === "function_call" ? this.#callEnd(item, output_index) : this.#messageEnd(item);
    return [
      ...ends,
      this.#event({ type: "response.output_item.done", output_index, item: toOutputItem(item) }),
    ];
  }

  #callEnd(call: OpenCall, output_index: number): ResponseEvent[] {
    const place = { item_id: call.id, output_index, arguments: call.arguments };
    return [this.#event({ type: "response.function_call_arguments.done", ...place })];
  }

  #messageEnd(message: OpenMessage): ResponseEvent[] {
    const logprobs = (message.logprobs ?? []).map(toEventLogprob);
    const place = this.#place(message);
    return [
      this.#event({ type: "response.output_text.done", ...place, text: message.text, logprobs }),
      this.#event({ type: "response.content_part.done", ...place, part: toPart(message) }),
    ];
  }

  /** The item that is open. */
  get #current(): OpenItem | null {
    const last = this.#items.at(-1);
    return last?.status === "in_progress" ? last : null;
  }

  #added(item: OutputItem): ResponseEvent {
    return this.#event({ type: "response.output_item.added", output_index: this.#items.length - 1, item });
  }

  #place(message: OpenMessage): ItemPlace {
    return { item_id: message.id, output_index: this.#items.indexOf(message), content_index: 0 };
  }

  #event(body: ResponseEventBody): ResponseEvent {
    return { ...body, sequence_number: this.#numEvents++ };
  }
}

function toEventLogprob({ token, logprob, top_logprobs }: ChatTokenLogprob): EventLogprob {
  return {
    token,
    logprob,
    top_logprobs: top_logprobs.map((other) => ({ token: other.token, logprob: other.logprob })),
  };
}

function failureCode({ status }: TroupeError): ResponseFailure["code"] {
  if (status === 429) return "rate_limit_exceeded";
  return status < 500 ? "invalid_prompt" : "server_error";
}
