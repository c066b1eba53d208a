/** The parts of a prompt to token ids and to the text that shows them. */
import { TroupeError } from "../errors/troupe-error.ts";
import type { ChatPart } from "./chat-forms/chat-form.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A prompt in both forms. */
export interface EncodedPrompt {
  readonly ids: Int32Array;
  readonly text: string;
}

/**
 * Each part is encoded on its own; what stands at its borders is never merged across them.
 *
 * @param maxTokens a prompt that is sure to have more is refused before the long work of encoding it.
 * @throws TroupeError `prompt_too_long`; `invalid_model` when the vocabulary lacks a token of the prompt form
 */
export async function encodeParts(
  tokenizer: Tokenizer,
  parts: readonly ChatPart[],
  maxTokens: number,
): Promise<EncodedPrompt> {
  const text = parts.map((part) => spell(tokenizer, part)).join("");
  checkLength(parts, tokenizer.maxTokenChars, maxTokens);
  const encoded = await Promise.all(parts.map((part) => encodePart(tokenizer, part)));
  const ids = new Int32Array(encoded.reduce((length, list) => length + list.length, 0));
  let at = 0;
  for (const list of encoded) {
    ids.set(list, at);
    at += list.length;
  }
  return { ids, text };
}

function requireTokenId(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.tokenId(token);
  if (id !== null) return id;
  const message = `The model's prompt form needs the token ${JSON.stringify(token)}, which its tokenizer does not have. Send "chat_template", or put a chat_template.jinja into the model folder.`;
  throw new TroupeError("invalid_model", message, { details: { token } });
}

function spell(tokenizer: Tokenizer, part: ChatPart): string {
  if (part.kind === "text") return part.text;
  return part.kind === "token" ? part.token : (tokenizer.tokenText(part.id) ?? "");
}

async function encodePart(tokenizer: Tokenizer, part: ChatPart): Promise<ArrayLike<number>> {
  if (part.kind === "id") return [part.id];
  if (part.kind === "token") return [requireTokenId(tokenizer, part.token)];
  return tokenizer.encode(part.text, part);
}

function checkLength(parts: readonly ChatPart[], maxTokenChars: number, maxTokens: number): void {
  let numChars = 0;
  let minTokens = 0;
  for (const part of parts) {
    if (part.kind === "text") numChars += part.text.length;
    else minTokens++;
  }
  minTokens += Math.ceil(numChars / maxTokenChars);
  if (minTokens <= maxTokens) return;
  const message = `The prompt has ${numChars} characters, at least ${minTokens} tokens; the limit is ${maxTokens} tokens. Shorten it.`;
  throw new TroupeError("prompt_too_long", message, {
    details: { numTokens: minTokens, limit: maxTokens },
  });
}
