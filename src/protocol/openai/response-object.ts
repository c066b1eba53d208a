/** The object `response` of the Responses API: what every one of them says, and its answer, if there is one. */
import type { SamplingParams } from "../../sampling/sampling-params.ts";
import type { Usage } from "../engine.ts";
import type { ResponseRequest } from "./response-request.ts";
import type { ChatTokenLogprob } from "./wire-logprobs.ts";

/** Where a response stands. The first two are not final. */
export type ResponseStatus = "queued" | "in_progress" | "completed" | "incomplete" | "failed" | "cancelled";

/** The text of an answer. */
export interface OutputText {
  readonly type: "output_text";
  readonly text: string;
  readonly annotations: readonly [];
  readonly logprobs?: readonly ChatTokenLogprob[];
}

/** The answer. */
export interface OutputMessage {
  readonly id: string;
  readonly type: "message";
  readonly role: "assistant";
  readonly status: "in_progress" | "completed" | "incomplete";
  readonly content: readonly OutputText[];
}

/** A call of a tool. */
export interface OutputCall {
  readonly id: string;
  readonly type: "function_call";
  readonly call_id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
  readonly status: OutputMessage["status"];
}

/** What an answer is made of. */
export type OutputItem = OutputMessage | OutputCall;

/** Token counts. */
export interface ResponseUsage {
  readonly input_tokens: number;
  readonly input_tokens_details: { readonly cached_tokens: number; readonly cache_write_tokens: number };
  readonly output_tokens: number;
  readonly output_tokens_details: { readonly reasoning_tokens: number };
  readonly total_tokens: number;
}

/** Why a response failed. */
export interface ResponseFailure {
  readonly code: "server_error" | "rate_limit_exceeded" | "invalid_prompt";
  readonly message: string;
}

/** What changes while a response is made. */
export interface ResponseProgress {
  readonly status: ResponseStatus;
  readonly completed_at: number | null;
  readonly error: ResponseFailure | null;
  readonly incomplete_details: { readonly reason: "max_output_tokens" } | null;
  readonly output: readonly OutputItem[];
  readonly usage?: ResponseUsage;
}

/** What is said from the beginning. */
export interface ResponseHeader {
  readonly id: string;
  readonly object: "response";
  /** Unix seconds. */
  readonly created_at: number;
  readonly model: string;
  readonly access_programs: null;
  readonly background: boolean;
  readonly conversation: null;
  readonly instructions: string | null;
  readonly max_output_tokens: number | null;
  readonly max_tool_calls: null;
  readonly metadata: Record<string, string>;
  readonly parallel_tool_calls: boolean;
  readonly previous_response_id: string | null;
  readonly reasoning: { readonly effort: null; readonly summary: null };
  readonly service_tier: "default";
  readonly temperature: number;
  readonly text: { readonly format: Readonly<Record<string, unknown>> };
  readonly tool_choice: unknown;
  readonly tools: readonly unknown[];
  readonly top_logprobs: number;
  readonly top_p: number;
  readonly truncation: "auto" | "disabled";
  readonly user?: string;
  readonly safety_identifier?: string;
  readonly prompt_cache_key?: string;
}

/** A response at one moment. */
export type WireResponse = ResponseHeader & ResponseProgress;

/** @param head what the request itself does not say. */
export function toResponseHeader(
  request: ResponseRequest,
  params: SamplingParams,
  head: { readonly id: string; readonly created: number; readonly model: string },
): ResponseHeader {
  return {
    id: head.id,
    object: "response",
    created_at: head.created,
    model: head.model,
    access_programs: null,
    background: request.isBackground,
    conversation: null,
    instructions: request.instructions,
    max_output_tokens: params.maxTokens,
    max_tool_calls: null,
    metadata: { ...request.metadata },
    parallel_tool_calls: request.tools.isParallel,
    previous_response_id: request.previousResponseId,
    reasoning: { effort: null, summary: null },
    service_tier: "default",
    temperature: params.temperature,
    text: { format: { type: "text" } },
    tool_choice: request.tools.choice,
    tools: request.tools.given,
    top_logprobs: params.logprobs ?? 0,
    top_p: params.topP,
    truncation: request.isTruncated ? "auto" : "disabled",
    ...request.echo,
  };
}

/** @see ResponseUsage */
export function toResponseUsage(usage: Usage): ResponseUsage {
  return {
    input_tokens: usage.numPromptTokens,
    input_tokens_details: { cached_tokens: usage.numCachedTokens, cache_write_tokens: 0 },
    output_tokens: usage.numOutputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.numPromptTokens + usage.numOutputTokens,
  };
}

/** True when nothing about the response will change. */
export function isFinal(status: ResponseStatus): boolean {
  return status !== "queued" && status !== "in_progress";
}
