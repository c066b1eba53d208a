/** `POST /v1/completions`, the request: its schema and the mapping onto prompts and sampling fields. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GrammarSpec } from "../../sampling/grammar/grammar-spec.ts";
import type { ModelInfo, Prompt } from "../engine.ts";
import { answerFormatShape, readAnswerFormat } from "./answer-format.ts";
import { readPrompts } from "./prompt-field.ts";
import { readSamplingFields, type SamplingFields, samplingShape } from "./sampling-fields.ts";
import { readStreamOptions, type StreamOptions, streamShape } from "./stream-options.ts";
import { refuseUnsupported, toleratedShape, UNSUPPORTED_FIELDS } from "./tolerated-fields.ts";

/** OpenAI's and vLLM's default. */
export const DEFAULT_COMPLETION_TOKENS = 16;

const unsupported = { ...UNSUPPORTED_FIELDS, suffix: [""], prompt_embeds: [] };

const schema = z.strictObject({
  ...toleratedShape(unsupported),
  model: z.string().nullish(),
  prompt: z.unknown().optional(),
  ...samplingShape,
  ...streamShape,
  ...answerFormatShape,
  logprobs: z.int().nullish(),
  echo: z.boolean().nullish(),
  add_special_tokens: z.boolean().nullish(),
  return_token_ids: z.boolean().nullish(),
});

/** A parsed request. */
export interface CompletionRequest {
  /** Null takes the server's only model. */
  readonly model: string | null;
  readonly prompts: readonly Prompt[];
  readonly fields: SamplingFields;
  readonly stream: StreamOptions;
  /** Put the prompt before each answer. */
  readonly echo: boolean;
  /** echo with max_tokens 0: show the prompt (and its log-probabilities) and nothing else. */
  readonly promptOnly: boolean;
  readonly withPromptLogprobs: boolean;
  readonly withTokenIds: boolean;
  /** The form of the answers; null for any. */
  readonly format: GrammarSpec | null;
}

/**
 * @param body the decoded JSON.
 * @throws TroupeError `invalid_request` or `unsupported`, naming the field.
 */
export function readCompletionRequest(body: unknown, model: ModelInfo): CompletionRequest {
  const wire = parse(schema, body, { code: "invalid_request", what: "request body" });
  refuseUnsupported(wire, unsupported);
  const stream = readStreamOptions(wire);
  const echo = wire.echo ?? false;
  const promptOnly = echo && wire.max_tokens === 0;
  refuseStreamedPromptLogprobs(stream, wire.prompt_logprobs);
  const fields: SamplingFields = {
    ...readSamplingFields(wire),
    // The engine always draws; the one token of a prompt-only request is dropped from the response.
    maxTokens: promptOnly ? 1 : (wire.max_tokens ?? DEFAULT_COMPLETION_TOKENS),
    ...(wire.logprobs == null ? {} : { logprobs: wire.logprobs }),
    ...(echo && wire.logprobs != null && wire.prompt_logprobs == null
      ? { promptLogprobs: wire.logprobs }
      : {}),
  };
  return {
    model: wire.model ?? null,
    prompts: readPrompts(wire.prompt, {
      vocabSize: model.vocabSize,
      addSpecialTokens: wire.add_special_tokens ?? true,
    }),
    fields,
    stream,
    echo,
    promptOnly,
    withPromptLogprobs: wire.prompt_logprobs != null,
    withTokenIds: wire.return_token_ids ?? false,
    format: readAnswerFormat(wire),
  };
}

/** @throws TroupeError `invalid_request`: the stream has no place for them. */
export function refuseStreamedPromptLogprobs(
  stream: StreamOptions,
  promptLogprobs: number | null | undefined,
): void {
  if (!stream.isStreamed || promptLogprobs == null) return;
  const message = '"prompt_logprobs" cannot be streamed. Leave out "stream", or use "echo" with "logprobs".';
  throw new TroupeError("invalid_request", message, { details: { param: "prompt_logprobs" } });
}
