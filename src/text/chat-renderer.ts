/**
 * A conversation to the parts of a prompt: by the request's own template, the folder's, or the form that is built in for
 * the family. A template gives one text, in which messages can spell special tokens, as with transformers; a built-in form
 * names its tokens, and messages are nothing but text.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { ChatForm, ChatPart } from "./chat-forms/chat-form.ts";
import { templateMessages } from "./chat-messages.ts";
import type { ChatInput, ChatTemplates } from "./chat-template.ts";
import type { ModelFamily } from "./model-family.ts";

/** What a conversation becomes. */
export interface RenderedChat {
  readonly parts: readonly ChatPart[];
  /** Tokens that end an answer beside the model's own end tokens. */
  readonly endTokens: readonly string[];
}

/** A built-in form and what it is filled with. */
export interface FamilyForm {
  readonly form: ChatForm;
  readonly family: ModelFamily;
}

/** See the module header. */
export class ChatRenderer {
  readonly #templates: ChatTemplates;
  readonly #builtIn: FamilyForm | null;

  /** @param builtIn used where neither request nor folder has a template. */
  constructor(templates: ChatTemplates, builtIn: FamilyForm | null) {
    this.#templates = templates;
    this.#builtIn = builtIn;
  }

  get isEmpty(): boolean {
    return this.#templates.isEmpty && this.#builtIn === null;
  }

  /** Source of the folder's templates; null without any. */
  get source(): string | null {
    return this.#templates.source;
  }

  /** @throws TroupeError `unsupported` without a template, `invalid_request` when the conversation is refused */
  render(input: ChatInput): RenderedChat {
    if (this.#builtIn !== null && input.template === undefined && this.#templates.isEmpty)
      return renderForm(input, this.#builtIn);
    const text = this.#templates.render(input);
    // A template writes the special tokens itself.
    return { parts: [{ kind: "text", text, isLiteral: false, addSpecialTokens: false }], endTokens: [] };
  }
}

function renderForm(input: ChatInput, { form, family }: FamilyForm): RenderedChat {
  if (input.tools !== undefined && input.tools.length > 0) {
    const message = `The ${form.name} prompt form is built in and knows no tools. Send a "chat_template" that does.`;
    throw new TroupeError("unsupported", message, { details: { path: "tools" } });
  }
  const turns = templateMessages(input.messages).map(({ role, content }) => ({
    role: String(role),
    content: String(content),
  }));
  const parts = form.render(turns, input.addGenerationPrompt ?? true, family);
  return { parts, endTokens: form.endTokens };
}
