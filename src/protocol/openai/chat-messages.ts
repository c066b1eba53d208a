/** The messages of a chat request and their mapping onto what a chat template takes. */
import { isNestedTooDeep, MAX_NESTING } from "../../core/nesting.ts";
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ChatMessage } from "../engine.ts";

const messageSchema = z.looseObject({
  role: z.enum(["developer", "system", "user", "assistant", "tool"]),
  content: z
    .custom<string | readonly unknown[]>(isTextOrList, "expected a string or a list of content parts")
    .nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
});

/** Schema of `messages`. Fields beyond these (name, tool_call_id, ...) are the template's business. */
export const messagesSchema = z.array(messageSchema).min(1, "expected at least one message");

/** Parsed `messages`. */
export type WireMessages = z.infer<typeof messagesSchema>;

/**
 * Joins text parts with line breaks, turns `developer` into `system` (templates know no other name for it), and parses
 * the arguments of earlier tool calls, which templates want as objects.
 *
 * @throws TroupeError `unsupported` for images, audio and files; `invalid_request` for a message without content.
 */
export function readMessages(messages: WireMessages): ChatMessage[] {
  return messages.map((message, index) => {
    const param = `messages[${index}]`;
    const { role, content, tool_calls: toolCalls, ...others } = message;
    const hasCalls = toolCalls != null && toolCalls.length > 0;
    if (content == null && !hasCalls) {
      const text = `"${param}": a message of role "${role}" needs "content".`;
      throw new TroupeError("invalid_request", text, { details: { param: `${param}.content` } });
    }
    return {
      ...others,
      ...(hasCalls ? { tool_calls: toolCalls.map(parseArguments) } : {}),
      role: role === "developer" ? "system" : role,
      content: content == null ? null : readContent(content, `${param}.content`),
    };
  });
}

function isTextOrList(value: unknown): boolean {
  return typeof value === "string" || Array.isArray(value);
}

function readContent(content: string | readonly unknown[], param: string): string {
  if (typeof content === "string") return content;
  return content.map((part, index) => readPart(part, `${param}[${index}]`)).join("\n");
}

function readPart(part: unknown, param: string): string {
  if (typeof part === "string") return part;
  const { type, text, refusal } = (typeof part === "object" && part !== null ? part : {}) as {
    readonly [field: string]: unknown;
  };
  if (type === "text" && typeof text === "string") return text;
  if (type === "refusal" && typeof refusal === "string") return refusal;
  if (typeof type === "string" && type !== "text" && type !== "refusal") {
    const message = `"${param}": content of type "${type}" is not supported; this server reads text only.`;
    throw new TroupeError("unsupported", message, { details: { param } });
  }
  const message = `"${param}": expected a content part such as {"type": "text", "text": "..."}.`;
  throw new TroupeError("invalid_request", message, { details: { param } });
}

function parseArguments(call: unknown): unknown {
  const { function: called } = (call ?? {}) as { readonly function?: { readonly arguments?: unknown } };
  if (typeof called?.arguments !== "string") return call;
  let parsed: unknown;
  try {
    parsed = JSON.parse(called.arguments);
  } catch {
    return call; // Models do produce broken arguments; the template gets them as they were.
  }
  if (isNestedTooDeep(parsed)) {
    const text = `"messages": the arguments of a call are nested deeper than ${MAX_NESTING} levels.`;
    throw new TroupeError("invalid_request", text, { details: { param: "messages" } });
  }
  return { ...(call as object), function: { ...called, arguments: parsed } };
}
