/**
 * Messages as chat templates expect them: content is a string, arguments of tool calls are objects. Clients of the
 * OpenAI API send lists of parts and JSON text; vLLM converts in the same way.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { ChatMessage } from "../protocol/engine.ts";

/** @throws TroupeError `unsupported` for parts that are not text, `invalid_request` for malformed ones */
export function templateMessages(messages: readonly ChatMessage[]): Record<string, unknown>[] {
  return messages.map((message, index) => {
    const where = `messages.${index}`;
    const content = contentText(message.content, where);
    if (!Array.isArray(message.tool_calls)) return { ...message, content };
    return { ...message, content, tool_calls: message.tool_calls.map((call) => templateCall(call, where)) };
  });
}

/** Parts are joined by line breaks; no content is an empty text. */
function contentText(content: unknown, where: string): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (Array.isArray(content))
    return content.map((part, index) => partText(part, `${where}.content.${index}`)).join("\n");
  throw invalid(`${where}.content`, "must be a string or a list of parts");
}

function partText(part: unknown, where: string): string {
  if (typeof part === "string") return part;
  if (!isRecord(part)) throw invalid(where, "must be a part: an object with type and text");
  const text = part.text ?? part.refusal;
  if (typeof text === "string") return text;
  const type = String(part.type);
  if (type === "text" || type === "refusal") throw invalid(where, "has no text");
  throw new TroupeError("unsupported", `"${where}": parts of type "${type}" are not supported; send text.`, {
    details: { path: where, type },
  });
}

function templateCall(call: unknown, where: string): unknown {
  if (!isRecord(call) || !isRecord(call.function)) return call;
  const text = call.function.arguments;
  if (typeof text !== "string") return call;
  return { ...call, function: { ...call.function, arguments: parseArguments(text, where) } };
}

function parseArguments(text: string, where: string): unknown {
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${where}.tool_calls`, `has arguments that are not JSON: ${text.slice(0, 80)}`, error);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, problem: string, cause?: unknown): TroupeError {
  return new TroupeError("invalid_request", `"${path}" ${problem}.`, { cause, details: { path } });
}
