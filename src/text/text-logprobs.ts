/** Puts the text and bytes of tokens beside their log-probabilities. */
import type { TextLogprobs } from "../protocol/engine.ts";
import type { PositionLogprobs } from "../sampling/sampling-params.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** `text` shows bytes that are not a whole character as U+FFFD; `bytes` of several tokens joined are exact. */
export function textLogprobs(tokenizer: Tokenizer, position: PositionLogprobs): TextLogprobs {
  const top = position.top.map((entry) => ({ ...entry, ...spelled(tokenizer, entry.tokenId) }));
  return { ...position, ...spelled(tokenizer, position.tokenId), top };
}

function spelled(tokenizer: Tokenizer, tokenId: number): { text: string; bytes: readonly number[] } {
  const token = tokenizer.tokenText(tokenId);
  if (token === null) return { text: "", bytes: [] };
  const bytes = tokenizer.decoder.bytesOf(token);
  return { text: Buffer.from(bytes).toString("utf8"), bytes: [...bytes] };
}
