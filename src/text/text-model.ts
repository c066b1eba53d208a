/**
 * Everything that turns text into tokens and back for one model folder, loaded once. It keeps no request's state: states
 * travel in and out, so every worker of a pool can take every step.
 */
import { cutIds, type PromptCut } from "../core/cut-ids.ts";
import type { Prompt, TextLogprobs, Tokenized } from "../protocol/engine.ts";
import type { TokenBytes } from "../sampling/grammar/token-trie.ts";
import type { PositionLogprobs } from "../sampling/sampling-params.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";
import { selectChatForm } from "./chat-forms/select-chat-form.ts";
import { ChatRenderer } from "./chat-renderer.ts";
import { ChatTemplates } from "./chat-template.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import { readModelFamily } from "./model-family.ts";
import {
  advanceOutput,
  createOutput,
  type OutputState,
  type OutputStep,
  type TextParams,
} from "./output-stream.ts";
import { type EncodedPrompt, encodeParts } from "./prompt-encoder.ts";
import { textLogprobs } from "./text-logprobs.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.ts";
import { readTokenizerSettings } from "./tokenizer-settings.ts";
import { tokenBytes } from "./vocabulary.ts";

/** What others need to know of a model's text side. */
export interface TextModelInfo {
  readonly vocabSize: number;
  readonly hasChatTemplate: boolean;
  /** Source of the chat templates, one behind the other; null without any. */
  readonly chatTemplate: string | null;
  /** A text longer than this many characters a token cannot fit; see Tokenizer.maxTokenChars. */
  readonly maxTokenChars: number;
}

/** A request's prompt, ready for the engine, and the state its answers' text starts from. */
export interface PreparedPrompt {
  readonly promptIds: Int32Array;
  readonly promptText: string;
  /** Tokens that end an answer to this prompt, beside the model's own. */
  readonly endTokenIds: readonly number[];
  readonly output: OutputState;
}

/** A part of one answer's share of a step. */
export interface ScoredStep extends OutputStep {
  /** One for each token, or null. */
  readonly logprobs: readonly PositionLogprobs[] | null;
}

/** One answer's share of a step, in parts. */
export interface AdvanceItem {
  readonly state: OutputState;
  readonly parts: readonly ScoredStep[];
}

/** What the answer gains with a part. Only tokens that belong to it are left. */
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
  readonly #chat: ChatRenderer;

  constructor(tokenizer: Tokenizer, chat: ChatRenderer) {
    this.#tokenizer = tokenizer;
    this.#chat = chat;
    const { vocabSize, maxTokenChars } = tokenizer;
    this.info = { vocabSize, maxTokenChars, hasChatTemplate: !chat.isEmpty, chatTemplate: chat.source };
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
    const [settings, family] = await Promise.all([
      readTokenizerSettings(modelDir),
      readModelFamily(modelDir),
    ]);
    const tokenizer = await loadTokenizer(modelDir, settings, family);
    const templates = new ChatTemplates(settings.templates, settings.specialTokens);
    const form = selectChatForm(family, settings);
    return new TextModel(tokenizer, new ChatRenderer(templates, form === null ? null : { form, family }));
  }

  encode(text: string, options: EncodeOptions): Promise<Int32Array> {
    return this.#tokenizer.encode(text, options);
  }

  encodeBatch(texts: readonly string[], options: EncodeOptions): Promise<Int32Array[]> {
    return Promise.all(texts.map((text) => this.encode(text, options)));
  }

  /** Bytes of every token; about a second for the largest vocabularies. */
  vocabulary(): TokenBytes {
    return tokenBytes(this.#tokenizer);
  }

  /** Ids that the vocabulary does not know give no text. */
  decode(ids: Iterable<number>, options: DecodeOptions): string {
    return this.#tokenizer.decoder.decode(this.#tokenizer.tokensOf(ids, options));
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
   * @param cuts made one after the other; with any, no text is refused
   * @throws TroupeError `prompt_too_long`; `unsupported` for a conversation without a template, `invalid_request` when the
   *   template refuses it
   */
  async prepare(
    prompt: Prompt,
    params: TextParams,
    maxTokens = Number.POSITIVE_INFINITY,
    cuts: readonly PromptCut[] = [],
  ): Promise<PreparedPrompt> {
    const limit = cuts.length === 0 ? maxTokens : Number.POSITIVE_INFINITY;
    const { ids: all, text, endTokenIds } = await this.#encodePrompt(prompt, limit);
    const ids = cutIds(all, cuts);
    const output = createOutput(this.#tokenizer, ids, params);
    return { promptIds: ids, promptText: text, endTokenIds, output };
  }

  /** One step's tokens of many answers: for each what its parts give, up to the one that ends it. */
  advanceAll(items: readonly AdvanceItem[]): AdvanceResult[][] {
    return items.map(({ state, parts }) => {
      const results: AdvanceResult[] = [];
      for (const part of parts) {
        if (state.isFinished) break;
        const { numTokens, ...delta } = advanceOutput(this.#tokenizer, state, part);
        const logprobs = part.logprobs && this.textLogprobs(part.logprobs.slice(0, numTokens));
        results.push({ ...delta, tokenIds: part.tokenIds.slice(0, numTokens), logprobs });
        state = delta.state;
      }
      return results;
    });
  }

  textLogprobs(positions: readonly PositionLogprobs[]): TextLogprobs[];
  textLogprobs(positions: readonly (PositionLogprobs | null)[]): (TextLogprobs | null)[];
  textLogprobs(positions: readonly (PositionLogprobs | null)[]): (TextLogprobs | null)[] {
    return positions.map((position) => (position === null ? null : textLogprobs(this.#tokenizer, position)));
  }

  async #encodePrompt(
    prompt: Prompt,
    maxTokens: number,
  ): Promise<EncodedPrompt & Pick<PreparedPrompt, "endTokenIds">> {
    if (prompt.kind === "ids") {
      const text = this.decode(prompt.ids, { skipSpecialTokens: false });
      return { ids: Int32Array.from(prompt.ids), text, endTokenIds: [] };
    }
    if (prompt.kind === "text") {
      const { text, addSpecialTokens = true } = prompt;
      const part = { kind: "text", text, addSpecialTokens, isLiteral: false } as const;
      return { ...(await encodeParts(this.#tokenizer, [part], maxTokens)), endTokenIds: [] };
    }
    const { parts, endTokens } = this.#chat.render(prompt);
    // One that the vocabulary lacks can end no answer.
    const endTokenIds = endTokens.flatMap((token) => this.#tokenizer.tokenId(token) ?? []);
    return { ...(await encodeParts(this.#tokenizer, parts, maxTokens)), endTokenIds };
  }
}
