/** `POST /tokenize` and `POST /detokenize` in vLLM's form. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ModelInfo, Prompt, Tokenized } from "../engine.ts";
import { templateShape, toChatPrompt } from "./chat-request.ts";
import { readIds } from "./prompt-field.ts";

const model = z.string().nullish();
const flag = z.boolean().nullish();

const textSchema = z.strictObject({
  model,
  prompt: z.string(),
  add_special_tokens: flag,
  return_token_strs: flag,
});
const chatSchema = z.strictObject({ model, ...templateShape, return_token_strs: flag });
const detokenizeSchema = z.strictObject({ model, tokens: z.unknown().optional() });

/** A parsed request to tokenize. */
export interface TokenizeRequest {
  readonly model: string | null;
  readonly prompt: Exclude<Prompt, { kind: "ids" }>;
  readonly withTokenStrings: boolean;
}

/** @throws TroupeError `invalid_request` or `unsupported`, naming the field. */
export function readTokenizeRequest(body: unknown): TokenizeRequest {
  const isObject = typeof body === "object" && body !== null;
  if (isObject && "messages" in body && "prompt" in body)
    throw new TroupeError("invalid_request", 'Send either "prompt" or "messages", not both.', {
      details: { param: "messages" },
    });
  if (isObject && "messages" in body) {
    const wire = parse(chatSchema, body, { code: "invalid_request", what: "request body" });
    const withTokenStrings = wire.return_token_strs ?? false;
    return { model: wire.model ?? null, prompt: toChatPrompt(wire), withTokenStrings };
  }
  const wire = parse(textSchema, body, { code: "invalid_request", what: "request body" });
  const addSpecialTokens = wire.add_special_tokens ?? true;
  return {
    model: wire.model ?? null,
    prompt: { kind: "text", text: wire.prompt, addSpecialTokens },
    withTokenStrings: wire.return_token_strs ?? false,
  };
}

/** The response of /tokenize. */
export function toTokenizeResponse(request: TokenizeRequest, tokenized: Tokenized, info: ModelInfo): object {
  return {
    count: tokenized.ids.length,
    max_model_len: info.maxModelLen,
    tokens: tokenized.ids,
    token_strs: request.withTokenStrings ? tokenized.tokens : null,
  };
}

/** @throws TroupeError `invalid_request`, naming the field. An empty list is fine: it is the empty text. */
export function readDetokenizeRequest(
  body: unknown,
  info: ModelInfo,
): { readonly model: string | null; readonly ids: readonly number[] } {
  const wire = parse(detokenizeSchema, body, { code: "invalid_request", what: "request body" });
  const isEmpty = Array.isArray(wire.tokens) && wire.tokens.length === 0;
  const ids = isEmpty ? [] : readIds(wire.tokens, "tokens", info.vocabSize).ids;
  return { model: wire.model ?? null, ids };
}
