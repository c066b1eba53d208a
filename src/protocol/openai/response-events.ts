/**
 * From the engine's events to the typed events of the Responses API, in OpenAI's order and numbered:
 *
 *     response.created, response.in_progress
 *       response.output_item.added, response.content_part.added
 *         response.output_text.delta ...
 *       response.output_text.done, response.content_part.done, response.output_item.done
 *     response.completed, response.incomplete or response.failed
 */
import type { TroupeError } from "../../errors/troupe-error.ts";
import type { FinishReason } from "../../scheduling/step-plan.ts";
import type { AnswerEvent } from "../collected-generation.ts";
import type { Usage } from "../engine.ts";
import {
  isFinal,
  type OutputMessage,
  type OutputText,
  type ResponseFailure,
  type ResponseHeader,
  type ResponseProgress,
  type ResponseStatus,
  toResponseUsage,
  type WireResponse,
} from "./response-object.ts";
import { type ChatTokenLogprob, toChatToken } from "./wire-logprobs.ts";

/** A token's log-probability inside an event: without the bytes, which only the finished text carries. */
export interface EventLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

interface ItemPlace {
  readonly item_id: string;
  readonly output_index: number;
  readonly content_index: number;
}

type Body =
  | {
      readonly type:
        | "response.created"
        | "response.in_progress"
        | "response.completed"
        | "response.incomplete"
        | "response.failed";
      readonly response: WireResponse;
    }
  | {
      readonly type: "response.output_item.added" | "response.output_item.done";
      readonly output_index: number;
      readonly item: OutputMessage;
    }
  | (ItemPlace & {
      readonly type: "response.content_part.added" | "response.content_part.done";
      readonly part: OutputText;
    })
  | (ItemPlace & {
      readonly type: "response.output_text.delta";
      readonly delta: string;
      readonly logprobs: readonly EventLogprob[];
    })
  | (ItemPlace & {
      readonly type: "response.output_text.done";
      readonly text: string;
      readonly logprobs: readonly EventLogprob[];
    });

/** One event, numbered from 0. */
export type ResponseEvent = Body & { readonly sequence_number: number };

/** What {@link ResponseEvents} starts from. */
export interface ResponseEventsOptions {
  readonly header: ResponseHeader;
  /** Id of the answer. */
  readonly itemId: string;
  /** Wall-clock time. */
  readonly unixSeconds: () => number;
}

/** Stateful: one for each response. */
export class ResponseEvents {
  readonly #options: ResponseEventsOptions;
  readonly #logprobs: ChatTokenLogprob[] = [];
  #hasLogprobs = false;
  #text = "";
  #item: OutputMessage["status"] | null = null;
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
  }

  /** The response as it stands. */
  get response(): WireResponse {
    const output = this.#item === null ? [] : [this.#message(this.#item)];
    return { ...this.#options.header, ...this.#progress, output };
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
    if (event.kind === "finish") {
      this.#finishReason = event.finishReason;
      const isWhole = event.finishReason === "stop";
      return [...this.#openItem(), ...this.#closeItem(isWhole ? "completed" : "incomplete")];
    }
    const logprobs = event.logprobs?.map(toChatToken) ?? [];
    this.#hasLogprobs ||= event.logprobs !== null;
    if (event.text === "" && logprobs.length === 0) return [];
    const opened = this.#openItem();
    this.#text += event.text;
    this.#logprobs.push(...logprobs);
    const delta = { delta: event.text, logprobs: logprobs.map(toEventLogprob) };
    return [...opened, this.#event({ type: "response.output_text.delta", ...this.#place(), ...delta })];
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
    const closed = this.#item === "in_progress" ? this.#closeItem("incomplete") : [];
    this.#progress = { ...this.#progress, ...progress, status };
    const type = status === "cancelled" ? "response.incomplete" : (`response.${status}` as const);
    return [...closed, this.#event({ type: type as "response.completed", response: this.response })];
  }

  #openItem(): ResponseEvent[] {
    if (this.#item !== null) return [];
    this.#item = "in_progress";
    const item = { ...this.#message("in_progress"), content: [] };
    return [
      this.#event({ type: "response.output_item.added", output_index: 0, item }),
      this.#event({ type: "response.content_part.added", ...this.#place(), part: this.#part() }),
    ];
  }

  #closeItem(status: OutputMessage["status"]): ResponseEvent[] {
    this.#item = status;
    const logprobs = this.#logprobs.map(toEventLogprob);
    return [
      this.#event({ type: "response.output_text.done", ...this.#place(), text: this.#text, logprobs }),
      this.#event({ type: "response.content_part.done", ...this.#place(), part: this.#part() }),
      this.#event({ type: "response.output_item.done", output_index: 0, item: this.#message(status) }),
    ];
  }

  #message(status: OutputMessage["status"]): OutputMessage {
    const { itemId } = this.#options;
    return { id: itemId, type: "message", role: "assistant", status, content: [this.#part()] };
  }

  #part(): OutputText {
    const logprobs = this.#hasLogprobs ? { logprobs: [...this.#logprobs] } : {};
    return { type: "output_text", text: this.#text, annotations: [], ...logprobs };
  }

  #place(): ItemPlace {
    return { item_id: this.#options.itemId, output_index: 0, content_index: 0 };
  }

  #event(body: Body): ResponseEvent {
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
