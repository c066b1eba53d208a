/**
 * A prompt form that is built in because its family publishes no chat template. Unlike a template it can name tokens that
 * no text spells: it gives parts, and the text parts between them cannot turn into special tokens.
 */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ModelFamily } from "../model-family.ts";

/** A piece of a prompt. */
export type ChatPart =
  | {
      readonly kind: "text";
      readonly text: string;
      /** Special tokens in it are plain text. */
      readonly isLiteral: boolean;
      /** What the tokenizer puts around a text goes around this one. */
      readonly addSpecialTokens: boolean;
    }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "id"; readonly id: number };

/** A message whose content is text. */
export interface ChatTurn {
  readonly role: string;
  readonly content: string;
}

/** See the module header. */
export interface ChatForm {
  /** As docs/chat-templates.md calls it. */
  readonly name: string;
  /** @throws TroupeError `invalid_request` for a conversation that the form cannot write */
  readonly render: (
    turns: readonly ChatTurn[],
    addGenerationPrompt: boolean,
    family: ModelFamily,
  ) => readonly ChatPart[];
  /** Tokens that end an answer beside the model's own end tokens. */
  readonly endTokens: readonly string[];
}

/** Text that is nothing but text. */
export function literal(text: string): ChatPart {
  return { kind: "text", text, isLiteral: true, addSpecialTokens: false };
}

/** What the tokenizer puts around a text, around none. */
export const nothingButBoundaries: ChatPart = {
  kind: "text",
  text: "",
  isLiteral: true,
  addSpecialTokens: true,
};

/** The system message and what follows; a system message may only come first. */
export function splitSystem(turns: readonly ChatTurn[]): {
  readonly system: string | null;
  readonly rest: readonly ChatTurn[];
} {
  const [first, ...others] = turns;
  if (first?.role !== "system") return { system: null, rest: turns };
  return { system: first.content, rest: others };
}

/** Refuses a role that the form does not have. */
export function unknownRole(form: string, role: string, roles: readonly string[]): TroupeError {
  const known = roles.map((name) => `"${name}"`).join(", ");
  const message = `The ${form} prompt form has no place for a message of role "${role}" here; it takes ${known}.`;
  return new TroupeError("invalid_request", message, { details: { path: "messages", role } });
}
