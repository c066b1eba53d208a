/** The `prompt` of a completion: a text, a list of token ids, or a list of either. Told apart by hand, because a union
 * schema would try every form on lists of a hundred thousand ids and could not say what is wrong with one of them. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Prompt } from "../engine.ts";

/** Prompts that one request may carry. */
export const MAX_PROMPTS = 2048;

/** How a prompt is read. */
export interface PromptOptions {
  readonly vocabSize: number;
  readonly addSpecialTokens: boolean;
}

/**
 * @returns one prompt for each text or list of ids, at least one.
 * @throws TroupeError `invalid_request` naming the element at fault.
 */
export function readPrompts(value: unknown, options: PromptOptions): Prompt[] {
  if (typeof value === "string") return [toTextPrompt(value, options)];
  if (!Array.isArray(value))
    throw invalid("prompt", "expected a string, a list of token ids, or a list of either", value);
  if (value.length === 0) throw invalid("prompt", "expected at least one prompt", value);
  if (typeof value[0] === "number") return [readIds(value, "prompt", options.vocabSize)];
  if (value.length > MAX_PROMPTS)
    throw invalid("prompt", `expected at most ${MAX_PROMPTS} prompts`, `${value.length} prompts`);
  return value.map((item: unknown, index) => readListed(item, `prompt[${index}]`, options));
}

/** @throws TroupeError `invalid_request` when `value` is not a non-empty list of token ids of the vocabulary. */
export function readIds(value: unknown, param: string, vocabSize: number): Prompt & { kind: "ids" } {
  if (!Array.isArray(value)) throw invalid(param, "expected a list of token ids", value);
  if (value.length === 0) throw invalid(param, "expected at least one token id", value);
  const wrong = value.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong >= 0)
    throw invalid(`${param}[${wrong}]`, `expected a token id from 0 to ${vocabSize - 1}`, value[wrong]);
  return { kind: "ids", ids: value as number[] };
}

function readListed(item: unknown, param: string, options: PromptOptions): Prompt {
  if (typeof item === "string") return toTextPrompt(item, options);
  if (Array.isArray(item)) return readIds(item, param, options.vocabSize);
  throw invalid(param, "expected a string or a list of token ids", item);
}

function toTextPrompt(text: string, options: PromptOptions): Prompt {
  return { kind: "text", text, addSpecialTokens: options.addSpecialTokens };
}

function invalid(param: string, expectation: string, value: unknown): TroupeError {
  const got =
    typeof value === "object" && value !== null ? (Array.isArray(value) ? "a list" : "an object") : value;
  const message = `"${param}": ${expectation} (got ${Array.isArray(value) && value.length === 0 ? "an empty list" : String(got)})`;
  return new TroupeError("invalid_request", message, { details: { param } });
}
