/** Log-probabilities in the three shapes of the wire: completions, chat, and vLLM's prompt_logprobs. */
import type { TokenLogprob } from "../../sampling/sampling-params.ts";
import type { TextLogprobs } from "../engine.ts";

type Alternative = TextLogprobs["top"][number];

/** Completions: parallel lists. The first prompt token (with echo) has nulls: nothing precedes it. */
export interface CompletionLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Readonly<Record<string, number>> | null)[];
  /** Where each token's text begins in the choice's text, in Unicode characters. */
  readonly text_offset: number[];
}

/** Chat: one object for each token. */
export interface ChatLogprobs {
  readonly content: readonly ChatTokenLogprob[];
  readonly refusal: null;
}

/** A token of {@link ChatLogprobs}. */
export interface ChatTokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
  readonly top_logprobs: readonly Omit<ChatTokenLogprob, "top_logprobs">[];
}

/** vLLM: for each prompt token, alternatives keyed by token id. */
export type PromptLogprobs = readonly (Readonly<
  Record<string, { readonly logprob: number; readonly rank: number; readonly decoded_token: string }>
> | null)[];

/**
 * @param firstToken text of a prompt's first token, which has no log-probability; only for entries that are null.
 * @param offset characters of the choice's text before these tokens.
 */
export function toCompletionLogprobs(
  positions: readonly (TextLogprobs | null)[],
  offset: number,
  firstToken = "",
): CompletionLogprobs {
  const shape: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
  for (const position of positions) {
    const text = position?.text ?? firstToken;
    shape.tokens.push(text);
    shape.token_logprobs.push(position === null ? null : finite(position));
    shape.top_logprobs.push(position === null ? null : byText(position));
    shape.text_offset.push(offset);
    offset += numCharacters(text);
  }
  return shape;
}

/** One list after another. */
export function joinCompletionLogprobs(parts: readonly CompletionLogprobs[]): CompletionLogprobs {
  return {
    tokens: parts.flatMap((part) => part.tokens),
    token_logprobs: parts.flatMap((part) => part.token_logprobs),
    top_logprobs: parts.flatMap((part) => part.top_logprobs),
    text_offset: parts.flatMap((part) => part.text_offset),
  };
}

/** @see ChatLogprobs */
export function toChatLogprobs(positions: readonly TextLogprobs[]): ChatLogprobs {
  return { content: positions.map(toChatToken), refusal: null };
}

/** @see ChatTokenLogprob */
export function toChatToken(position: TextLogprobs): ChatTokenLogprob {
  return { ...toAlternative(position), top_logprobs: position.top.map(toAlternative) };
}

/** @see PromptLogprobs */
export function toPromptLogprobs(positions: readonly (TextLogprobs | null)[]): PromptLogprobs {
  return positions.map((position) => {
    if (position === null) return null;
    const entries = [...position.top, position].map((token) => [
      String(token.tokenId),
      { logprob: finite(token), rank: token.rank, decoded_token: token.text },
    ]);
    return Object.fromEntries(entries) as NonNullable<PromptLogprobs[number]>;
  });
}

/** Length of a text as clients in most languages count it: code points, not UTF-16 units. */
export function numCharacters(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) count--;
  }
  return count;
}

/** The most likely tokens, and the chosen one even when it is not among them. */
function byText(position: TextLogprobs): Record<string, number> {
  const entries = position.top.map((token) => [token.text, finite(token)] as const);
  if (!position.top.some((token) => token.tokenId === position.tokenId))
    entries.push([position.text, finite(position)]);
  return Object.fromEntries(entries);
}

function toAlternative(token: Alternative): Omit<ChatTokenLogprob, "top_logprobs"> {
  return { token: token.text, logprob: finite(token), bytes: token.bytes };
}

/** JSON has no -Infinity; -9999 is what OpenAI and vLLM send for a token that cannot be drawn. */
function finite(token: TokenLogprob): number {
  return Math.max(token.logprob, -9999);
}
