/**
 * The adapter of @huggingface/jinja: a conversation to the text that the model was trained on. Whitespace around blocks
 * is treated as transformers treats it (trim_blocks, lstrip_blocks); range, raise_exception, strftime_now and tojson are
 * the library's.
 */
import { Template } from "@huggingface/jinja";
import type { ErrorCode } from "../errors/error-codes.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { ChatMessage } from "../protocol/engine.ts";
import { templateMessages } from "./chat-messages.ts";
import type { SpecialTokens, TemplateSource } from "./tokenizer-settings.ts";

/** What a template is filled with. */
export interface ChatInput {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
  /** Open the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** A template instead of the model's own. */
  readonly template?: string;
  /** More variables for the template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/**
 * The chat templates of one model, compiled once.
 *
 * @example
 * ```ts
 * const { templates, specialTokens } = await readTokenizerSettings("models/understudy");
 * new ChatTemplates(templates, specialTokens).render({ messages: [{ role: "user", content: "Hello" }] });
 * ```
 */
export class ChatTemplates {
  /** Of all templates, one behind the other; null without any. */
  readonly source: string | null;
  readonly #templates: ReadonlyMap<string, Template>;
  readonly #specialTokens: SpecialTokens;

  /** @throws TroupeError `invalid_model` for a template that is not valid, naming its file */
  constructor(sources: readonly TemplateSource[], specialTokens: SpecialTokens) {
    this.#templates = new Map(
      sources.map(({ name, text, file }) => [
        name,
        compile(text, "invalid_model", `${file}: chat template "${name}"`),
      ]),
    );
    this.source = sources.length === 0 ? null : sources.map(({ text }) => text).join("\n");
    this.#specialTokens = specialTokens;
  }

  get isEmpty(): boolean {
    return this.#templates.size === 0;
  }

  /**
   * @throws TroupeError `unsupported` when the model has no template for this; `invalid_request` when the template
   *   refuses the conversation (with its own message) or the request's own template is not valid
   */
  render(input: ChatInput): string {
    const template =
      input.template === undefined
        ? this.#select(input.tools !== undefined && input.tools.length > 0)
        : compile(input.template, "invalid_request", '"chat_template"');
    const variables = {
      ...this.#specialTokens,
      documents: null,
      ...input.variables,
      messages: templateMessages(input.messages),
      tools: input.tools === undefined || input.tools.length === 0 ? null : input.tools,
      add_generation_prompt: input.addGenerationPrompt ?? true,
    };
    try {
      return template.render(variables);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new TroupeError("invalid_request", `The chat template refused the conversation: ${reason}`, {
        cause: error,
      });
    }
  }

  /** With tools the template for tools, if there is one. */
  #select(hasTools: boolean): Template {
    const template =
      (hasTools ? this.#templates.get("tool_use") : undefined) ?? this.#templates.get("default");
    if (template !== undefined) return template;
    const names = [...this.#templates.keys()].join(", ");
    const found =
      names === "" ? "The model has no chat template" : `The model has only the chat templates ${names}`;
    throw new TroupeError(
      "unsupported",
      // the first words are br-vllm-serving's, whose users look for them
      `Error in applying chat template from request: ${found}. Use completions, send "chat_template", or put a chat_template.jinja into the model folder.`,
    );
  }
}

function compile(text: string, code: ErrorCode, what: string): Template {
  try {
    return new Template(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TroupeError(code, `${what} is not valid: ${reason}`, { cause: error });
  }
}
