/** Tokens that stand beside a vocabulary file: `added_tokens_decoder` of tokenizer_config.json, and added_tokens.json. */
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/** One of them; the flags are those of Hugging Face's AddedToken. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Left out of texts on request. */
  readonly special: boolean;
  /** The token takes the white space before, or after, it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** It is looked for in the text as the normalizer leaves it, not as it was sent. */
  readonly normalized: boolean;
  /** Only where no word goes on at its edges. */
  readonly singleWord: boolean;
}

/** A parsed file. */
interface SourceFile {
  readonly file: string;
  readonly json: unknown;
}

const flag = z.boolean().default(false);
const DECODER = z.object({
  added_tokens_decoder: z
    .record(
      z.string().regex(/^\d{1,7}$/, "must be a token id"),
      z.object({
        content: z.string().min(1),
        special: flag,
        lstrip: flag,
        rstrip: flag,
        normalized: flag,
        single_word: flag,
      }),
    )
    .default({}),
});
const ADDED = z.record(z.string().min(1), z.int().min(0).max(9_999_999));

/**
 * All added tokens by id. tokenizer_config.json wins over added_tokens.json, which knows no flags.
 *
 * @param special the tokens that the folder names as special.
 * @throws TroupeError `invalid_model` naming file and token
 */
export function addedTokensOf(
  config: SourceFile,
  added: SourceFile,
  special: ReadonlySet<string>,
): readonly AddedToken[] {
  const decoder = parse(DECODER, config.json, { code: "invalid_model", what: config.file });
  const tokens = new Map<number, AddedToken>();
  for (const [content, id] of Object.entries(
    parse(ADDED, added.json, { code: "invalid_model", what: added.file }),
  )) {
    checkFree(tokens, id, content, added.file);
    tokens.set(id, plainToken(id, content, special.has(content)));
  }
  for (const [key, token] of Object.entries(decoder.added_tokens_decoder)) {
    const id = Number(key);
    const { single_word: singleWord, ...rest } = token;
    tokens.set(id, { ...rest, singleWord, id, special: token.special || special.has(token.content) });
  }
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

/** An added token without any flag but `special`. */
export function plainToken(id: number, content: string, special: boolean): AddedToken {
  return { id, content, special, lstrip: false, rstrip: false, normalized: false, singleWord: false };
}

function checkFree(tokens: ReadonlyMap<number, AddedToken>, id: number, content: string, file: string): void {
  const other = tokens.get(id);
  if (other === undefined) return;
  const message = `${file}: ${JSON.stringify(content)} and ${JSON.stringify(other.content)} both have the id ${id}.`;
  throw new TroupeError("invalid_model", message, { details: { file, id } });
}
