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

/** A message without its id. */
export interface ItemContent {
  readonly type: "message";
  readonly role: Role;
  readonly status: "completed";
  readonly content: readonly ItemPart[];
}

/** A message as `GET /v1/responses/{id}/input_items` lists it. */
export interface InputItem extends ItemContent {
  readonly id: string;
}

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
  return items.map(({ role, content }) => ({
    role: role === "developer" ? "system" : role,
    content: content.map((part) => (part.type === "refusal" ? part.refusal : part.text)).join("\n"),
  }));
}

function readItem(item: unknown, param: string): ItemContent {
  if (typeof item !== "object" || item === null) throw invalid(param, "expected an object");
  const { type = "message", role, content } = item as { readonly [field: string]: unknown };
  if (type !== "message") {
    const shown = JSON.stringify(type)?.slice(0, 100);
    throw unsupported(param, `items of type ${shown} are not supported; this server reads messages only`);
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

function toItem(role: Role, content: readonly ItemPart[]): ItemContent {
  return { type: "message", role, status: "completed", content };
}

function invalid(param: string, expectation: string): TroupeError {
  return new TroupeError("invalid_request", `"${param}": ${expectation}.`, { details: { param } });
}

function unsupported(param: string, what: string): TroupeError {
  return new TroupeError("unsupported", `"${param}": ${what}.`, { details: { param } });
}
