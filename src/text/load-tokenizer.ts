/** Finds and loads the tokenizer of a model folder. */
import { TroupeError } from "../errors/troupe-error.ts";
import { loadTokenizerJson } from "./loaders/tokenizer-json.ts";
import type { TokenizerLoader } from "./loaders/tokenizer-source.ts";
import { RustTokenizer } from "./rust-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { SpecialTokens } from "./tokenizer-settings.ts";

/** Tried in this order; the first that finds its files wins. */
const LOADERS: readonly TokenizerLoader[] = [loadTokenizerJson];

/**
 * @throws TroupeError `invalid_model` naming file and cause; `unsupported_model`, `file_error`
 * @example
 * ```ts
 * const { specialTokens } = await readTokenizerSettings("models/understudy");
 * const tokenizer = await loadTokenizer("models/understudy", specialTokens);
 * await tokenizer.encode("Hello", { addSpecialTokens: false }); // Int32Array [1436]
 * ```
 */
export async function loadTokenizer(modelDir: string, specialTokens: SpecialTokens): Promise<Tokenizer> {
  for (const load of LOADERS) {
    const source = await load(modelDir);
    if (source !== null) return new RustTokenizer(source, Object.values(specialTokens).flat());
  }
  throw new TroupeError(
    "invalid_model",
    `${modelDir} has no tokenizer.json. Add it, or serve token ids alone with --skip-tokenizer-init.`,
    { details: { modelDir } },
  );
}
