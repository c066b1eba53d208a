/** What goes around a text, in tokenizer.json's form, where the folder says so beside the tokenizer. */
import type { TokenizerSettings } from "../tokenizer-settings.ts";

/** A token with its id. */
export interface TemplateToken {
  readonly content: string;
  readonly id: number;
}

/** The `post_processor` entry that puts tokens before and after a text; null when there are none to put. */
export function templatePostProcessor(
  before: readonly TemplateToken[],
  after: readonly TemplateToken[],
): Record<string, unknown> | null {
  if (before.length + after.length === 0) return null;
  const piece = ({ content }: TemplateToken) => ({ SpecialToken: { id: content, type_id: 0 } });
  const around = (id: string) => [
    ...before.map(piece),
    { Sequence: { id, type_id: 0 } },
    ...after.map(piece),
  ];
  const special = [...before, ...after].map(({ content, id }) => [
    content,
    { id: content, ids: [id], tokens: [content] },
  ]);
  return {
    type: "TemplateProcessing",
    single: around("A"),
    pair: [...around("A"), ...around("B")],
    special_tokens: Object.fromEntries(special),
  };
}

/**
 * The begin and end tokens that the folder wants, by its class's defaults where it says nothing.
 *
 * @param idOf the id of a token; null when the vocabulary does not have it.
 */
export function boundaryTokens(
  { specialTokens, addBosToken, addEosToken }: TokenizerSettings,
  defaults: { readonly addsBos: boolean; readonly addsEos: boolean },
  idOf: (token: string) => number | null,
): { readonly before: readonly TemplateToken[]; readonly after: readonly TemplateToken[] } {
  const tokenOf = (name: string, isWanted: boolean): TemplateToken[] => {
    const content = specialTokens[name];
    const id = isWanted && typeof content === "string" ? idOf(content) : null;
    return typeof content === "string" && id !== null ? [{ content, id }] : [];
  };
  return {
    before: tokenOf("bos_token", addBosToken ?? defaults.addsBos),
    after: tokenOf("eos_token", addEosToken ?? defaults.addsEos),
  };
}
