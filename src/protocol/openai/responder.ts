/** What an OpenAI wire format must say about the engine's events: one whole body, or the chunks of a stream. */
import type { FinishReason } from "../../scheduling/step-plan.ts";
import type { AnswerEvent, CollectedGeneration, PromptEvent } from "../collected-generation.ts";
import type { Usage } from "../engine.ts";

/** What every object of one response repeats. */
export interface ResponseHead {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** The name by which the request called the model. */
  readonly model: string;
  /** Answers to each prompt. */
  readonly n: number;
}

/** Stateful: one for each response. All results are plain objects, ready for JSON. */
export interface Responder {
  /** The body of a response that is not streamed. */
  whole(generations: readonly CollectedGeneration[]): object;
  /** Chunks that need no token yet; called once, when all prompts have been admitted. */
  opening(prompts: readonly PromptEvent[]): object[];
  /** Chunks for one event of one prompt. */
  step(promptIndex: number, event: AnswerEvent): object[];
  /** Chunks after the last event. */
  closing(usage: Usage): object[];
}

/** `finish_reason` on the wire; vLLM's word for an answer that was cut off by the server. */
export function toFinishReason(reason: FinishReason): string {
  return reason === "cancelled" ? "abort" : reason;
}
