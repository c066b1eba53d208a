/** A request of any of MindIE's routes, read: what is generated, and the form of the reply. */
import type { PromptCut } from "../../core/cut-ids.ts";
import type { ModelInfo, Prompt } from "../engine.ts";
import type { SamplingFields } from "../openai/sampling-fields.ts";
import type { MindieFormat } from "./mindie-answers.ts";

/** What a route does with a request. */
export interface MindieRequest {
  readonly prompt: Prompt;
  readonly fields: SamplingFields;
  readonly isStreamed: boolean;
  readonly format: MindieFormat;
  /** A field of SamplingParams in the request's own words. */
  readonly nameField: (field: string) => string;
  readonly promptCut?: PromptCut;
  /** The client's own name for the request, by which it can be stopped. */
  readonly id?: string;
  readonly timeoutMs?: number;
  /** The model that was asked for; null takes the only one. */
  readonly model?: string | null;
}

/** What the forms of replies depend on beside the request. */
export interface MindieOptions {
  readonly model: ModelInfo;
  /** One space between a repeated prompt and its answer, as MindIE puts it. */
  readonly promptSpace: boolean;
  /** Every piece of a stream repeats the text so far. */
  readonly fullText: boolean;
  /** For requests that bring none, so that their replies can tell it. */
  readonly newSeed: () => number;
}

/** `maxTokens` is `parameters.max_new_tokens`. */
export function parameterName(field: string): string {
  return `parameters.${plainName(field)}`;
}

/** `maxTokens` is `max_new_tokens`, `topP` is `top_p`. */
export function plainName(field: string): string {
  if (field === "maxTokens") return "max_new_tokens";
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
