/** What a model folder says about its tokenizer beside the tokenizer itself: special tokens and chat templates. */
import { join } from "node:path";
import { parse, z } from "../core/schema.ts";
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
const TEMPLATES = z.object({
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});

/**
 * Reads tokenizer_config.json, special_tokens_map.json and chat_template.jinja, each if present. The first file that
 * names a special token wins; chat_template.jinja replaces the templates of tokenizer_config.json.
 *
 * @throws TroupeError `invalid_model` naming file and key; `file_error`
 */
export async function readTokenizerSettings(modelDir: string): Promise<TokenizerSettings> {
  const configFile = join(modelDir, "tokenizer_config.json");
  const mapFile = join(modelDir, "special_tokens_map.json");
  const [config, map] = await Promise.all([readJson(configFile), readJson(mapFile)]);
  return {
    specialTokens: { ...specialTokensOf(map, mapFile), ...specialTokensOf(config, configFile) },
    templates: (await jinjaTemplate(modelDir)) ?? templatesOf(config, configFile),
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

async function jinjaTemplate(modelDir: string): Promise<readonly TemplateSource[] | null> {
  const file = join(modelDir, "chat_template.jinja");
  const text = await readTextIfPresent(file);
  return text === null ? null : [{ name: "default", text, file }];
}

function templatesOf(json: unknown, file: string): readonly TemplateSource[] {
  const { chat_template: template } = parse(TEMPLATES, json, { code: "invalid_model", what: file });
  if (template === null || template === undefined) return [];
  if (typeof template === "string") return [{ name: "default", text: template, file }];
  return template.map(({ name, template: text }) => ({ name, text, file }));
}
