/**
 * The items of a response: what `input` may hold, how it is kept and listed, and its mapping onto the conversation that a
 * chat template takes. Told apart by hand, so that an item that is not supported is named and not called malformed.
 */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ChatMessage } from "../engine.ts";

const ROLES = ["user", "assistant", "system", "developer"] as const;

type Role = (typeof ROLES)[number];

/** A text part of a message: `input_text` from the client, `output_text` or `refusal` of an earlier answer. */
export type ItemPart =
  | { readonly type: "input_text"; readonly text: string }
  | { readonly type: "output_text"; readonly text: string; readonly annotations: readonly [] }
  | { readonly type: "refusal"; readonly refusal: string };

/** A call of a tool that an earlier answer made. */
export interface CallItem {
  readonly type: "function_call";
  readonly call_id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
  readonly status: "completed";
}

/** What a tool gave back. */
export interface CallOutputItem {
  readonly type: "function_call_output";
  readonly call_id: string;
  readonly output: string;
  readonly status: "completed";
}

/** An item without its id. */
export type ItemContent = MessageItem | CallItem | CallOutputItem;

/** A message without its id. */
export interface MessageItem {
  readonly type: "message";
  readonly role: Role;
  readonly status: "completed";
  readonly content: readonly ItemPart[];
}

/** An item as `GET /v1/responses/{id}/input_items` lists it. */
export type InputItem = ItemContent & { readonly id: string };

/**
 * @param input a string (one message of the user), or a list of messages; absent is an empty list.
 * @throws TroupeError `unsupported` for other items and parts, `invalid_request` for malformed ones, naming them.
 */
export function readItems(input: unknown): ItemContent[] {
  if (input == null) return [];
  if (typeof input === "string") return [toItem("user", [{ type: "input_text", text: input }])];
  if (!Array.isArray(input))
    throw invalid("input", 'expected a string or a list of items such as {"role": "user", "content": "..."}');
  return input.map((item: unknown, index) => readItem(item, `input[${index}]`));
}

/** The conversation as a chat template wants it: parts joined by line breaks, `developer` as `system`. */
export function toMessages(items: readonly ItemContent[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (const item of items) {
    if (item.type === "function_call") addCall(messages, item);
    else messages.push(item.type === "message" ? toMessage(item) : toToolMessage(item));
  }
  return messages;
}

/** Puts a call into the turn of the assistant that it is part of. */
export function addCall(
  messages: ChatMessage[],
  call: Pick<CallItem, "call_id" | "name" | "arguments">,
): void {
  const entry = {
    id: call.call_id,
    type: "function",
    function: { name: call.name, arguments: call.arguments },
  };
  const last = messages.at(-1);
  const turn = last?.role === "assistant" ? messages.pop()! : { role: "assistant", content: null };
  const calls = Array.isArray(turn.tool_calls) ? (turn.tool_calls as readonly unknown[]) : [];
  messages.push({ ...turn, tool_calls: [...calls, entry] });
}

function toMessage({ role, content }: MessageItem): ChatMessage {
  return {
    role: role === "developer" ? "system" : role,
    content: content.map((part) => (part.type === "refusal" ? part.refusal : part.text)).join("\n"),
  };
}

function toToolMessage({ call_id, output }: CallOutputItem): ChatMessage {
  return { role: "tool", tool_call_id: call_id, content: output };
}

function readItem(item: unknown, param: string): ItemContent {
  if (typeof item !== "object" || item === null) throw invalid(param, "expected an object");
  const { type = "message", role, content } = item as { readonly [field: string]: unknown };
  if (type === "function_call" || type === "function_call_output") return readCall(item, type, param);
  if (type !== "message") {
    const shown = JSON.stringify(type)?.slice(0, 100);
    throw unsupported(
      param,
      `items of type ${shown} are not supported; this server reads messages, function_call and function_call_output`,
    );
  }
  const known = ROLES.find((name) => name === role);
  if (known === undefined) throw invalid(`${param}.role`, `expected one of ${ROLES.join(", ")}`);
  const textType = known === "assistant" ? "output_text" : "input_text";
  if (typeof content === "string") return toItem(known, [toPart(textType, content)]);
  if (!Array.isArray(content))
    throw invalid(`${param}.content`, "expected a string or a list of content parts");
  return toItem(
    known,
    content.map((part: unknown, index) => readPart(part, `${param}.content[${index}]`)),
  );
}

function readCall(item: object, type: "function_call" | "function_call_output", param: string): ItemContent {
  const { call_id, name, arguments: given, output } = item as { readonly [field: string]: unknown };
  if (typeof call_id !== "string") throw invalid(`${param}.call_id`, "expected the id of a call");
  if (type === "function_call_output") {
    if (typeof output === "string") return { type, call_id, output, status: "completed" };
    if (!Array.isArray(output))
      throw invalid(`${param}.output`, "expected a string or a list of content parts");
    const parts = output.map((part: unknown, index) => readPart(part, `${param}.output[${index}]`));
    const texts = parts.map((part) => (part.type === "refusal" ? part.refusal : part.text));
    return { type, call_id, output: texts.join("\n"), status: "completed" };
  }
  if (typeof name !== "string") throw invalid(`${param}.name`, "expected the name of a tool");
  if (typeof given !== "string") throw invalid(`${param}.arguments`, "expected JSON as a string");
  return { type, call_id, name, arguments: given, status: "completed" };
}

function readPart(part: unknown, param: string): ItemPart {
  const { type, text, refusal } = (typeof part === "object" && part !== null ? part : {}) as {
    readonly [field: string]: unknown;
  };
  if (type === "refusal" && typeof refusal === "string") return { type, refusal };
  const isText = type === "input_text" || type === "output_text";
  if (isText && typeof text === "string") return toPart(type, text);
  if (typeof type === "string" && !isText && type !== "refusal")
    throw unsupported(
      param,
      `content of type ${JSON.stringify(type.slice(0, 100))} is not supported; this server reads text only`,
    );
  throw invalid(param, 'expected a content part such as {"type": "input_text", "text": "..."}');
}

function toPart(type: "input_text" | "output_text", text: string): ItemPart {
  return type === "input_text" ? { type, text } : { type, text, annotations: [] };
}

function toItem(role: Role, content: readonly ItemPart[]): MessageItem {
  return { type: "message", role, status: "completed", content };
}

function invalid(param: string, expectation: string): TroupeError {
  return new TroupeError("invalid_request", `"${param}": ${expectation}.`, { details: { param } });
}

function unsupported(param: string, what: string): TroupeError {
  return new TroupeError("unsupported", `"${param}": ${what}.`, { details: { param } });
}
