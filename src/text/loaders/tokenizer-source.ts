/**
 * What a loader makes of a model folder. A new kind of tokenizer file is one more loader and nothing else.
 */
import type { ModelFamily } from "../model-family.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { TokenizerSettings } from "../tokenizer-settings.ts";

/** A tokenizer as tokenizer.json describes it. */
export interface TokenizerSource {
  /** The file it came from, for errors. */
  readonly file: string;
  /** tokenizer.json's text. */
  readonly text: string;
  /** The same, parsed. */
  readonly json: unknown;
}

/** A model folder and what was read of it already. */
export interface TokenizerFolder {
  readonly dir: string;
  readonly settings: TokenizerSettings;
  readonly family: ModelFamily;
}

/** Reads one kind of tokenizer file. */
export interface TokenizerLoader {
  /** The files it looks for, as errors name them. */
  readonly files: string;
  /** Null when the folder has none. */
  readonly load: (folder: TokenizerFolder) => Promise<Tokenizer | null>;
}

/** The special tokens that the folder names, whatever their names. */
export function namedTokensOf({ settings }: TokenizerFolder): readonly string[] {
  return Object.values(settings.specialTokens).flat();
}
