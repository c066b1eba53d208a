/**
 * What a loader makes of a model folder. Every kind of tokenizer file becomes the one form that the tokenizers library
 * reads, so a new kind is one more loader and nothing else.
 */

/** A tokenizer as tokenizer.json describes it. */
export interface TokenizerSource {
  /** The file it came from, for errors. */
  readonly file: string;
  /** tokenizer.json's text. */
  readonly text: string;
  /** The same, parsed. */
  readonly json: unknown;
}

/** Reads one kind of tokenizer file; null when the folder has none. */
export type TokenizerLoader = (modelDir: string) => Promise<TokenizerSource | null>;
