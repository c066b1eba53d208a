/** The loader of tokenizer.json. */
import { join } from "node:path";
import { parse, z } from "../../core/schema.ts";
import { parseJson, readTextIfPresent } from "../model-files.ts";
import { RustTokenizer } from "../rust-tokenizer.ts";
import { boundaryTokens, templatePostProcessor } from "./post-processor.ts";
import {
  namedTokensOf,
  type TokenizerFolder,
  type TokenizerLoader,
  type TokenizerSource,
} from "./tokenizer-source.ts";

/** Classes that put begin and end tokens themselves, over what tokenizer.json says; begin tokens unless told not to. */
const CLASSES_WITH_BOUNDARIES = new Set([
  "LlamaTokenizer",
  "CodeLlamaTokenizer",
  "GemmaTokenizer",
  "CohereTokenizer",
]);

export const tokenizerJsonLoader: TokenizerLoader = {
  files: "tokenizer.json",
  load: async (folder) => {
    const file = join(folder.dir, "tokenizer.json");
    const text = await readTextIfPresent(file);
    if (text === null) return null;
    const source = { file, text, json: parseJson(text, file) };
    return new RustTokenizer(withBoundaries(source, folder), namedTokensOf(folder));
  },
};

/** As transformers does, but only where tokenizer_config.json is explicit: there it may differ from tokenizer.json. */
function withBoundaries(source: TokenizerSource, { settings }: TokenizerFolder): TokenizerSource {
  const isExplicit = settings.addBosToken !== null || settings.addEosToken !== null;
  if (!isExplicit || !CLASSES_WITH_BOUNDARIES.has(settings.tokenizerClass ?? "")) return source;
  const root = z.record(z.string(), z.unknown()).safeParse(source.json).data;
  if (root === undefined) return source;
  const ids = tokenIds(root, source.file);
  const { before, after } = boundaryTokens(
    settings,
    { addsBos: true, addsEos: false },
    (token) => ids.get(token) ?? null,
  );
  const json = { ...root, post_processor: templatePostProcessor(before, after) };
  return { file: source.file, text: JSON.stringify(json), json };
}

function tokenIds(root: Readonly<Record<string, unknown>>, file: string): ReadonlyMap<string, number> {
  const tokens = z.array(z.object({ id: z.int(), content: z.string() })).default([]);
  const added = parse(tokens, root.added_tokens, { code: "invalid_model", what: `${file}: added_tokens` });
  return new Map(added.map(({ id, content }) => [content, id]));
}
