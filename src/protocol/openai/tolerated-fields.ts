/**
 * Fields of OpenAI and vLLM that change nothing here, and fields that would change the answer but that this server does
 * not have. The first are accepted and ignored; the second are refused unless they hold the value that asks for nothing.
 * Any other field is unknown and refused by the format's schema: a typing error must not pass in silence.
 */
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";

/** Accounting, caching hints and hints for features that are refused anyway: no answer depends on them. */
export const HARMLESS_FIELDS = [
  "user",
  "metadata",
  "store",
  "service_tier",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "parallel_tool_calls",
  "request_id",
] as const;

/** What each unsupported field may still hold, beside null: the value by which clients ask for nothing. */
export type UnsupportedFields = Readonly<Record<string, readonly unknown[]>>;

/** Unsupported in every format. */
export const UNSUPPORTED_FIELDS: UnsupportedFields = {
  use_beam_search: [false],
  length_penalty: [1],
  early_stopping: [false],
  priority: [0],
  truncate_prompt_tokens: [],
  allowed_token_ids: [],
  bad_words: [[]],
  guided_decoding_backend: [],
  guided_whitespace_pattern: [],
  structural_tag: [],
  logits_processors: [[]],
  spaces_between_special_tokens: [true],
  return_tokens_as_token_ids: [false],
  cache_salt: [],
  kv_transfer_params: [],
  vllm_xargs: [],
};

/** Schema shape that lets these fields through with any value. */
export function toleratedShape(unsupported: UnsupportedFields): Record<string, z.ZodOptional<z.ZodUnknown>> {
  const names = [...HARMLESS_FIELDS, ...Object.keys(unsupported)];
  return Object.fromEntries(names.map((name) => [name, z.unknown().optional()]));
}

/**
 * @throws TroupeError `unsupported` naming the first unsupported field that asks for something.
 */
export function refuseUnsupported(
  body: Readonly<Record<string, unknown>>,
  unsupported: UnsupportedFields,
): void {
  for (const [name, neutral] of Object.entries(unsupported)) {
    const value = body[name];
    if (value == null || neutral.some((allowed) => isSame(value, allowed))) continue;
    const allowed = neutral.map((item) => `${JSON.stringify(item)} or `).join("");
    const message = `"${name}" is not supported by this server. Leave it out, or send ${allowed}null.`;
    throw new TroupeError("unsupported", message, { details: { param: name } });
  }
}

function isSame(value: unknown, allowed: unknown): boolean {
  if (Array.isArray(value) && Array.isArray(allowed)) return value.length === 0 && allowed.length === 0;
  return value === allowed;
}
