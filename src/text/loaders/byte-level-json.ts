/** A byte-level BPE vocabulary in tokenizer.json's form, for files that hold only tokens and their order. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { AddedToken } from "../added-tokens.ts";
import { boundaryTokens, type TemplateToken, templatePostProcessor } from "./post-processor.ts";
import type { TokenizerFolder, TokenizerSource } from "./tokenizer-source.ts";

/** How a class of tokenizers cuts a text before merging. */
export interface ByteLevelStyle {
  /** Unicode composition before everything else. */
  readonly composes: boolean;
  /** The pattern of the pieces; null for GPT-2's own. */
  readonly pattern: string | null;
  readonly addsPrefixSpace: boolean;
}

/** What a file holds. */
export interface ByteLevelVocabulary {
  readonly file: string;
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
  /** A piece that is a token is one, whatever the merges say. */
  readonly ignoresMerges: boolean;
  readonly addedTokens: readonly AddedToken[];
  /** Always before a text, whatever the folder says. */
  readonly prefix: readonly TemplateToken[];
}

/** @throws TroupeError `invalid_model` when two tokens have one id */
export function byteLevelSource(
  { file, vocab: tokens, merges, ignoresMerges, addedTokens, prefix }: ByteLevelVocabulary,
  style: ByteLevelStyle,
  { settings }: TokenizerFolder,
): TokenizerSource {
  // Added tokens go into the vocabulary too: there their ids may have gaps.
  const vocab = new Map(tokens);
  for (const { content, id } of addedTokens) addToken(vocab, content, id, file);
  checkIds(vocab, file);
  const defaults = { addsBos: false, addsEos: false };
  const { before, after } = boundaryTokens(settings, defaults, (token) => vocab.get(token) ?? null);
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens.map(({ singleWord, ...token }) => ({ ...token, single_word: singleWord })),
    normalizer: style.composes ? { type: "NFC" } : null,
    pre_tokenizer: preTokenizer(style),
    post_processor: templatePostProcessor([...prefix, ...before], after),
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoresMerges,
      vocab: Object.fromEntries(vocab),
      merges,
    },
  };
  return { file, text: JSON.stringify(json), json };
}

function preTokenizer({ pattern, addsPrefixSpace }: ByteLevelStyle): unknown {
  const byteLevel = { type: "ByteLevel", add_prefix_space: addsPrefixSpace, trim_offsets: true };
  if (pattern === null) return { ...byteLevel, use_regex: true };
  const split = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
  return { type: "Sequence", pretokenizers: [split, { ...byteLevel, use_regex: false }] };
}

function addToken(vocab: Map<string, number>, content: string, id: number, file: string): void {
  const known = vocab.get(content);
  if (known !== undefined && known !== id) {
    const message = `${file}: ${JSON.stringify(content)} has the id ${known}, but the folder adds it as ${id}.`;
    throw new TroupeError("invalid_model", message, { details: { file, token: content, id } });
  }
  vocab.set(content, id);
}

function checkIds(vocab: ReadonlyMap<string, number>, file: string): void {
  const tokens = new Map<number, string>();
  for (const [token, id] of vocab) {
    const other = tokens.get(id);
    if (other !== undefined) {
      const message = `${file}: ${JSON.stringify(other)} and ${JSON.stringify(token)} both have the id ${id}.`;
      throw new TroupeError("invalid_model", message, { details: { file, token, id } });
    }
    tokens.set(id, token);
  }
}
