/** `POST /v1/chat/completions`, the request: its schema and the mapping onto a conversation and sampling fields. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GrammarSpec } from "../../sampling/grammar/grammar-spec.ts";
import type { Prompt } from "../engine.ts";
import type { ToolRequest } from "../tools/tool-plan.ts";
import { answerFormatShape, readAnswerFormat } from "./answer-format.ts";
import { messagesSchema, readMessages } from "./chat-messages.ts";
import { refuseStreamedPromptLogprobs } from "./completion-request.ts";
import { readSamplingFields, type SamplingFields, samplingShape, wireName } from "./sampling-fields.ts";
import { readStreamOptions, type StreamOptions, streamShape } from "./stream-options.ts";
import { refuseUnsupported, toleratedShape, UNSUPPORTED_FIELDS } from "./tolerated-fields.ts";
import { readTools, toolShape } from "./tool-fields.ts";

const unsupported = {
  ...UNSUPPORTED_FIELDS,
  functions: [[]],
  function_call: ["none", "auto"],
  audio: [],
  prediction: [],
  web_search_options: [],
  reasoning_effort: [],
  verbosity: [],
  moderation: [],
  echo: [false],
  continue_final_message: [false],
  add_special_tokens: [false],
  documents: [],
  mm_processor_kwargs: [],
};

/** The fields that say what the conversation looks like to the template; /tokenize has them too. */
export const templateShape = {
  messages: messagesSchema,
  add_generation_prompt: z.boolean().nullish(),
  chat_template: z.string().nullish(),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
  tools: z.array(z.looseObject({})).nullish(),
} as const;

const templateObject = z.object(templateShape);

const schema = z.strictObject({
  ...toleratedShape(unsupported),
  model: z.string().nullish(),
  ...templateShape,
  ...samplingShape,
  ...streamShape,
  max_completion_tokens: z.int().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().nullish(),
  ...toolShape,
  ...answerFormatShape,
  modalities: z.array(z.string()).nullish(),
  return_token_ids: z.boolean().nullish(),
});

type Wire = z.infer<typeof schema>;

/** A parsed request. */
export interface ChatRequest {
  /** Null takes the server's only model. */
  readonly model: string | null;
  readonly prompt: Prompt;
  readonly fields: SamplingFields;
  /** How this request spells a field of SamplingParams. */
  readonly nameField: (field: string) => string;
  readonly stream: StreamOptions;
  readonly withPromptLogprobs: boolean;
  readonly withTokenIds: boolean;
  /** The form of the answer; null for any. */
  readonly format: GrammarSpec | null;
  /** Null when none may be called. */
  readonly tools: ToolRequest | null;
}

/**
 * @param body the decoded JSON.
 * @throws TroupeError `invalid_request` or `unsupported`, naming the field.
 */
export function readChatRequest(body: unknown): ChatRequest {
  const wire = parse(schema, body, { code: "invalid_request", what: "request body" });
  refuseUnsupported(wire, unsupported);
  refuseOtherOutputs(wire);
  const stream = readStreamOptions(wire);
  refuseStreamedPromptLogprobs(stream, wire.prompt_logprobs);
  const logprobs = readTopLogprobs(wire);
  return {
    model: wire.model ?? null,
    prompt: toChatPrompt(wire),
    fields: {
      ...readSamplingFields(wire),
      maxTokens: readMaxTokens(wire),
      ...(logprobs === null ? {} : { logprobs }),
    },
    nameField: (field) => nameField(wire, field),
    stream,
    withPromptLogprobs: wire.prompt_logprobs != null,
    withTokenIds: wire.return_token_ids ?? false,
    format: readAnswerFormat(wire),
    tools: readTools(wire),
  };
}

/** The conversation as a prompt. */
export function toChatPrompt(wire: z.infer<typeof templateObject>): Prompt & { kind: "chat" } {
  return {
    kind: "chat",
    messages: readMessages(wire.messages),
    addGenerationPrompt: wire.add_generation_prompt ?? true,
    ...(wire.tools == null || wire.tools.length === 0 ? {} : { tools: wire.tools }),
    ...(wire.chat_template == null ? {} : { template: wire.chat_template }),
    ...(wire.chat_template_kwargs == null ? {} : { variables: wire.chat_template_kwargs }),
  };
}

function nameField(wire: Wire, field: string): string {
  if (field === "logprobs") return "top_logprobs";
  if (field === "maxTokens" && wire.max_completion_tokens != null) return "max_completion_tokens";
  return wireName(field);
}

/** Null goes on until the context is full. */
function readMaxTokens(wire: Wire): number | null {
  const { max_tokens: older, max_completion_tokens: newer } = wire;
  if (older != null && newer != null && older !== newer) {
    const message = `"max_tokens" (${older}) and "max_completion_tokens" (${newer}) mean the same but differ. Send one of them.`;
    throw new TroupeError("invalid_request", message, { details: { param: "max_tokens" } });
  }
  return newer ?? older ?? null;
}

function readTopLogprobs(wire: Wire): number | null {
  if (wire.logprobs === true) return wire.top_logprobs ?? 0;
  if (wire.top_logprobs != null && wire.top_logprobs !== 0) {
    const message = '"top_logprobs" needs "logprobs": true.';
    throw new TroupeError("invalid_request", message, { details: { param: "top_logprobs" } });
  }
  return null;
}

function refuseOtherOutputs(wire: Wire): void {
  if (wire.modalities?.some((modality) => modality !== "text")) {
    const message = `"modalities" other than "text" are not supported (got ${JSON.stringify(wire.modalities)}).`;
    throw new TroupeError("unsupported", message, { details: { param: "modalities" } });
  }
}
