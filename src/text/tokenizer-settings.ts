/**
 * What a model folder says about its tokenizer beside the tokenizer itself: special and added tokens, what goes around a
 * text, chat templates.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse, z } from "../core/schema.ts";
import { type AddedToken, addedTokensOf } from "./added-tokens.ts";
import { parseJson, readTextIfPresent } from "./model-files.ts";

/** Special tokens by the name templates know them by: bos_token, eos_token, ... */
export type SpecialTokens = Readonly<Record<string, string | readonly string[]>>;

/** A chat template as found. */
export interface TemplateSource {
  /** `default`, `tool_use`, ... */
  readonly name: string;
  readonly text: string;
  /** The file it came from, for errors. */
  readonly file: string;
}

/** See the module header. */
export interface TokenizerSettings {
  readonly specialTokens: SpecialTokens;
  readonly templates: readonly TemplateSource[];
  /** Tokens that tokenizer_config.json and added_tokens.json add to the vocabulary, by id. */
  readonly addedTokens: readonly AddedToken[];
  /** `tokenizer_class` without its "Fast". */
  readonly tokenizerClass: string | null;
  /** Whether the begin and end tokens go around a text; null where the folder leaves it to the class. */
  readonly addBosToken: boolean | null;
  readonly addEosToken: boolean | null;
  /** A space before a text that has none; null where the folder leaves it to the class. */
  readonly addPrefixSpace: boolean | null;
  /** `legacy` of Llama's class: SentencePiece's dummy prefix goes before every stretch between special tokens. */
  readonly isLegacy: boolean;
}

const TOKEN = z.union([z.string(), z.object({ content: z.string() }).transform((token) => token.content)]);
const TOKEN_NAMES = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
];
const SPECIAL_TOKENS = z.object({
  ...Object.fromEntries(TOKEN_NAMES.map((name) => [name, TOKEN.nullish()])),
  additional_special_tokens: z.array(TOKEN).nullish(),
});
const FLAGS = z.object({
  tokenizer_class: z.string().nullish(),
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  legacy: z.boolean().nullish(),
});
const TEMPLATES = z.object({
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});

/**
 * Reads tokenizer_config.json, special_tokens_map.json, added_tokens.json, chat_template.jinja and the templates of
 * additional_chat_templates/, each if present. The first file that names a special token wins; template files replace the
 * templates of tokenizer_config.json.
 *
 * @throws TroupeError `invalid_model` naming file and key; `file_error`
 */
export async function readTokenizerSettings(modelDir: string): Promise<TokenizerSettings> {
  const configFile = join(modelDir, "tokenizer_config.json");
  const mapFile = join(modelDir, "special_tokens_map.json");
  const addedFile = join(modelDir, "added_tokens.json");
  const [config, map, added] = await Promise.all([configFile, mapFile, addedFile].map(readJson));
  const specialTokens = { ...specialTokensOf(map, mapFile), ...specialTokensOf(config, configFile) };
  const flags = parse(FLAGS, config, { code: "invalid_model", what: configFile });
  const templateFiles = await readTemplateFiles(modelDir);
  return {
    specialTokens,
    templates: templateFiles.length > 0 ? templateFiles : templatesOf(config, configFile),
    addedTokens: addedTokensOf(
      { file: configFile, json: config },
      { file: addedFile, json: added },
      new Set(Object.values(specialTokens).flat()),
    ),
    tokenizerClass: flags.tokenizer_class?.replace(/Fast$/, "") ?? null,
    addBosToken: flags.add_bos_token ?? null,
    addEosToken: flags.add_eos_token ?? null,
    addPrefixSpace: flags.add_prefix_space ?? null,
    isLegacy: flags.legacy ?? true,
  };
}

async function readJson(file: string): Promise<unknown> {
  const text = await readTextIfPresent(file);
  return text === null ? {} : parseJson(text, file);
}

function specialTokensOf(json: unknown, file: string): SpecialTokens {
  const tokens = parse(SPECIAL_TOKENS, json, { code: "invalid_model", what: file });
  return Object.fromEntries(
    Object.entries(tokens).filter(([, token]) => token !== null && token !== undefined),
  ) as SpecialTokens;
}

/** chat_template.jinja is the default one; each file of additional_chat_templates/ is named by its file name. */
async function readTemplateFiles(modelDir: string): Promise<TemplateSource[]> {
  const folder = join(modelDir, "additional_chat_templates");
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".jinja")).sort();
  const files = [
    { name: "default", file: join(modelDir, "chat_template.jinja") },
    ...names.map((name) => ({ name: name.slice(0, -".jinja".length), file: join(folder, name) })),
  ];
  const sources = await Promise.all(
    files.map(async ({ name, file }) => {
      const text = await readTextIfPresent(file);
      return text === null ? [] : [{ name, text, file }];
    }),
  );
  return sources.flat();
}

function templatesOf(json: unknown, file: string): readonly TemplateSource[] {
  const { chat_template: template } = parse(TEMPLATES, json, { code: "invalid_model", what: file });
  if (template === null || template === undefined) return [];
  if (typeof template === "string") return [{ name: "default", text: template, file }];
  return template.map(({ name, template: text }) => ({ name, text, file }));
}
