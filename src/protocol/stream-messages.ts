/**
 * The JSON messages of the WebSocket `/v1/stream`: what a client may send, what the server answers, and the mapping of
 * both. Sampling fields mean what they mean over HTTP, so the same request gives the same text. See docs/websocket.md.
 */
import { nearestName } from "../core/nearest-name.ts";
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { GrammarSpec } from "../sampling/grammar/grammar-spec.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";
import type { AnswerEvent } from "./collected-generation.ts";
import type { ModelInfo, Prompt, Usage } from "./engine.ts";
import { answerFormatShape, readAnswerFormat } from "./openai/answer-format.ts";
import { templateShape, toChatPrompt } from "./openai/chat-request.ts";
import { DEFAULT_COMPLETION_TOKENS } from "./openai/completion-request.ts";
import { type ErrorObject, toErrorObject } from "./openai/error-object.ts";
import { readIds } from "./openai/prompt-field.ts";
import { readSamplingFields, type SamplingFields, samplingShape } from "./openai/sampling-fields.ts";
import { toWireUsage, type WireUsage } from "./openai/usage.ts";
import { type ChatTokenLogprob, toChatToken } from "./openai/wire-logprobs.ts";

/** Characters in a request's id. */
export const MAX_ID_LENGTH = 128;

const idSchema = z.string().min(1).max(MAX_ID_LENGTH);
const { prompt_logprobs: _, ...streamedSamplingShape } = samplingShape;

const generateSchema = z.strictObject({
  type: z.literal("generate"),
  id: idSchema,
  model: z.string().nullish(),
  prompt: z.string().nullish(),
  prompt_token_ids: z.unknown().optional(),
  add_special_tokens: z.boolean().nullish(),
  ...templateShape,
  messages: templateShape.messages.nullish(),
  ...streamedSamplingShape,
  ...answerFormatShape,
  logprobs: z.int().nullish(),
  return_token_ids: z.boolean().nullish(),
  resumable: z.boolean().nullish(),
});
const cancelSchema = z.strictObject({ type: z.literal("cancel"), id: idSchema });
const resumeSchema = z.strictObject({
  type: z.literal("resume"),
  id: idSchema,
  stream: idSchema,
  after: z.int().min(-1).nullish(),
});

type GenerateWire = z.infer<typeof generateSchema>;

/** A parsed message of a client. */
export type ClientMessage =
  | {
      readonly type: "generate";
      readonly id: string;
      readonly model: string | null;
      readonly prompt: Prompt;
      readonly fields: SamplingFields;
      /** The form of the answers; null for any. */
      readonly format: GrammarSpec | null;
      readonly withTokenIds: boolean;
      /** Messages are numbered, and the request goes on for a while without its socket. */
      readonly isResumable: boolean;
    }
  | {
      readonly type: "resume";
      readonly id: string;
      /** The name that `started` gave. */
      readonly stream: string;
      /** Number of the first message that the client does not have. */
      readonly from: number;
    }
  | { readonly type: "cancel"; readonly id: string };

/** A part of an answer, whichever request it belongs to. */
export type AnswerMessage =
  | {
      readonly type: "token";
      readonly index: number;
      readonly text: string;
      readonly token_ids?: readonly number[];
      readonly logprobs?: readonly ChatTokenLogprob[];
    }
  | {
      readonly type: "done";
      readonly choices: readonly FinishedChoice[];
      readonly usage: WireUsage;
      readonly prompt_token_ids?: readonly number[];
    };

/** What the server sends. Every accepted `generate` or `resume` ends with exactly one `done` or `error` of its id. */
export type ServerMessage =
  | (AnswerMessage & { readonly id: string; readonly seq?: number })
  | { readonly type: "started"; readonly id: string; readonly stream: string }
  | { readonly type: "error"; readonly id: string | null; readonly error: ErrorObject };

/** How one answer ended. */
export interface FinishedChoice {
  readonly index: number;
  readonly finish_reason: FinishReason;
  readonly stop_reason: string | number | null;
}

/** Decodes a text frame. @throws TroupeError `invalid_json`. */
export function decodeFrame(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TroupeError("invalid_json", `The message is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/** The id of a message that may be wrong otherwise, so that its error can name it; null when there is none. */
export function idOf(message: unknown): string | null {
  const id = typeof message === "object" && message !== null && "id" in message ? message.id : null;
  return typeof id === "string" && id.length <= MAX_ID_LENGTH ? id : null;
}

/** @throws TroupeError `invalid_request` or `unsupported`, naming the field. */
export function readClientMessage(message: unknown, info: ModelInfo): ClientMessage {
  const type =
    typeof message === "object" && message !== null && "type" in message ? message.type : undefined;
  if (type === "cancel")
    return parse(cancelSchema, message, { code: "invalid_request", what: "cancel message" });
  if (type === "resume") {
    const wire = parse(resumeSchema, message, { code: "invalid_request", what: "resume message" });
    return { type, id: wire.id, stream: wire.stream, from: (wire.after ?? -1) + 1 };
  }
  if (type !== "generate") throw unknownType(type);
  const wire = parse(generateSchema, message, { code: "invalid_request", what: "generate message" });
  const fields = {
    ...readSamplingFields({ ...wire, prompt_logprobs: null }),
    maxTokens: wire.max_tokens ?? (wire.messages == null ? DEFAULT_COMPLETION_TOKENS : null),
    ...(wire.logprobs == null ? {} : { logprobs: wire.logprobs }),
  };
  const withTokenIds = wire.return_token_ids ?? false;
  return {
    type,
    id: wire.id,
    model: wire.model ?? null,
    prompt: readPrompt(wire, info),
    fields,
    format: readAnswerFormat(wire),
    withTokenIds,
    isResumable: wire.resumable ?? false,
  };
}

/** A piece of an answer; undefined when there is nothing to show yet. */
export function toTokenMessage(
  event: AnswerEvent & { kind: "delta" },
  withTokenIds: boolean,
): AnswerMessage | undefined {
  if (event.text === "" && event.logprobs === null && !withTokenIds) return undefined;
  return {
    type: "token",
    index: event.index,
    text: event.text,
    ...(withTokenIds && { token_ids: event.tokenIds }),
    ...(event.logprobs !== null && { logprobs: event.logprobs.map(toChatToken) }),
  };
}

/** The end of a request. */
export function toDoneMessage(
  choices: readonly FinishedChoice[],
  usage: Usage,
  promptIds: readonly number[] | null,
): AnswerMessage {
  const inOrder = choices.toSorted((a, b) => a.index - b.index);
  const ids = promptIds === null ? {} : { prompt_token_ids: promptIds };
  return { type: "done", choices: inOrder, usage: toWireUsage(usage), ...ids };
}

/** @param seq its number, for a request that can be taken up again. */
export function addressTo(id: string, message: AnswerMessage, seq?: number): ServerMessage {
  // the type and the id first: people read these
  const { type, ...content } = message;
  return { type, id, ...(seq !== undefined && { seq }), ...content } as ServerMessage;
}

/** A failure of one request, or of the message itself when `id` is null. */
export function toErrorMessage(id: string | null, error: TroupeError): ServerMessage {
  return { type: "error", id, error: toErrorObject(error) };
}

function readPrompt(wire: GenerateWire, info: ModelInfo): Prompt {
  const given = (["prompt", "messages", "prompt_token_ids"] as const).filter((name) => wire[name] != null);
  if (given.length !== 1) {
    const text = `Send exactly one of "prompt", "messages" and "prompt_token_ids" (got ${given.join(" and ") || "none"}).`;
    throw new TroupeError("invalid_request", text, { details: { param: given[1] ?? "prompt" } });
  }
  if (wire.messages != null) return toChatPrompt({ ...wire, messages: wire.messages });
  if (wire.prompt == null) return readIds(wire.prompt_token_ids, "prompt_token_ids", info.vocabSize);
  return { kind: "text", text: wire.prompt, addSpecialTokens: wire.add_special_tokens ?? true };
}

function unknownType(type: unknown): TroupeError {
  const near = typeof type === "string" ? nearestName(type, ["generate", "cancel", "resume"]) : undefined;
  const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
  const message = `A message is an object whose "type" is "generate", "cancel" or "resume" (got ${JSON.stringify(type) ?? "none"}).${hint}`;
  return new TroupeError("invalid_request", message, { details: { param: "type" } });
}
