/**
 * Everything that turns text into tokens and back for one model folder, loaded once. It keeps no request's state: states
 * travel in and out, so every worker of a pool can take every step.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { Prompt, TextLogprobs, Tokenized } from "../protocol/engine.ts";
import type { PositionLogprobs } from "../sampling/sampling-params.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";
import { type ChatInput, ChatTemplates } from "./chat-template.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import {
  advanceOutput,
  createOutput,
  type OutputState,
  type OutputStep,
  type TextParams,
} from "./output-stream.ts";
import { textLogprobs } from "./text-logprobs.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.ts";
import { readTokenizerSettings } from "./tokenizer-settings.ts";

/** What others need to know of a model's text side. */
export interface TextModelInfo {
  readonly vocabSize: number;
  readonly hasChatTemplate: boolean;
  /** A text longer than this many characters a token cannot fit; see Tokenizer.maxTokenChars. */
  readonly maxTokenChars: number;
}

/** A request's prompt, ready for the engine, and the state its answers' text starts from. */
export interface PreparedPrompt {
  readonly promptIds: Int32Array;
  readonly promptText: string;
  readonly output: OutputState;
}

/** One answer's share of a step. */
export interface AdvanceItem extends OutputStep {
  readonly state: OutputState;
  /** One for each token, or null. */
  readonly logprobs: readonly PositionLogprobs[] | null;
}

/** What the answer gains. Only tokens that belong to it are left. */
export interface AdvanceResult {
  readonly state: OutputState;
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly TextLogprobs[] | null;
  readonly finishReason: FinishReason | null;
  readonly stopString: string | null;
}

/** See the module header. */
export class TextModel {
  readonly info: TextModelInfo;
  readonly #tokenizer: Tokenizer;
  readonly #templates: ChatTemplates;

  constructor(tokenizer: Tokenizer, templates: ChatTemplates) {
    this.#tokenizer = tokenizer;
    this.#templates = templates;
    const { vocabSize, maxTokenChars } = tokenizer;
    this.info = { vocabSize, maxTokenChars, hasChatTemplate: !templates.isEmpty };
  }

  /**
   * @throws TroupeError `invalid_model` naming file and cause; `unsupported_model`, `file_error`
   * @example
   * ```ts
   * const text = await TextModel.load("models/understudy");
   * const { ids } = await text.tokenize({ kind: "text", text: "Hello" });
   * ```
   */
  static async load(modelDir: string): Promise<TextModel> {
    const { specialTokens, templates } = await readTokenizerSettings(modelDir);
    const tokenizer = await loadTokenizer(modelDir, specialTokens);
    return new TextModel(tokenizer, new ChatTemplates(templates, specialTokens));
  }

  encode(text: string, options: EncodeOptions): Promise<Int32Array> {
    return this.#tokenizer.encode(text, options);
  }

  encodeBatch(texts: readonly string[], options: EncodeOptions): Promise<Int32Array[]> {
    return Promise.all(texts.map((text) => this.encode(text, options)));
  }

  /** Ids that the vocabulary does not know give no text. */
  decode(ids: Iterable<number>, options: DecodeOptions): string {
    return this.#tokenizer.decoder.decode(this.#tokenizer.tokensOf(ids, options));
  }

  /** @throws TroupeError `unsupported` without a template, `invalid_request` when it refuses the conversation */
  renderChat(input: ChatInput): string {
    return this.#templates.render(input);
  }

  /** Ids of a text or a conversation, with the vocabulary's spelling of each. */
  async tokenize(prompt: Exclude<Prompt, { kind: "ids" }>): Promise<Tokenized> {
    const { ids } = await this.#encodePrompt(prompt, Number.POSITIVE_INFINITY);
    return { ids: [...ids], tokens: Array.from(ids, (id) => this.#tokenizer.tokenText(id) ?? "") };
  }

  /**
   * All that a new request needs from the text side, in one go.
   *
   * @param maxTokens a text that is sure to have more is refused before the long work of encoding it
   * @throws TroupeError `prompt_too_long`; as `renderChat`
   */
  async prepare(
    prompt: Prompt,
    params: TextParams,
    maxTokens = Number.POSITIVE_INFINITY,
  ): Promise<PreparedPrompt> {
    const { ids, text } = await this.#encodePrompt(prompt, maxTokens);
    return { promptIds: ids, promptText: text, output: createOutput(this.#tokenizer, ids, params) };
  }

  /** One step's tokens of many answers. */
  advanceAll(items: readonly AdvanceItem[]): AdvanceResult[] {
    return items.map((item) => {
      const { numTokens, ...delta } = advanceOutput(this.#tokenizer, item.state, item);
      const logprobs = item.logprobs === null ? null : this.textLogprobs(item.logprobs.slice(0, numTokens));
      return { ...delta, tokenIds: item.tokenIds.slice(0, numTokens), logprobs };
    });
  }

  textLogprobs(positions: readonly PositionLogprobs[]): TextLogprobs[];
  textLogprobs(positions: readonly (PositionLogprobs | null)[]): (TextLogprobs | null)[];
  textLogprobs(positions: readonly (PositionLogprobs | null)[]): (TextLogprobs | null)[] {
    return positions.map((position) => (position === null ? null : textLogprobs(this.#tokenizer, position)));
  }

  async #encodePrompt(prompt: Prompt, maxTokens: number): Promise<{ ids: Int32Array; text: string }> {
    if (prompt.kind === "ids") {
      const text = this.decode(prompt.ids, { skipSpecialTokens: false });
      return { ids: Int32Array.from(prompt.ids), text };
    }
    // A template writes the special tokens itself.
    const text = prompt.kind === "chat" ? this.renderChat(prompt) : prompt.text;
    const minTokens = Math.ceil(text.length / this.info.maxTokenChars);
    if (minTokens > maxTokens) {
      const message = `The prompt has ${text.length} characters, at least ${minTokens} tokens; the limit is ${maxTokens} tokens. Shorten it.`;
      throw new TroupeError("prompt_too_long", message, {
        details: { numTokens: minTokens, limit: maxTokens },
      });
    }
    const addSpecialTokens = prompt.kind === "text" && (prompt.addSpecialTokens ?? true);
    return { ids: await this.encode(text, { addSpecialTokens }), text };
  }
}
