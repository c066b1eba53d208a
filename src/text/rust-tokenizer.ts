/**
 * The adapter of npm `tokenizers`, the Node binding of Hugging Face's Rust library: it encodes. Decoding is ours
 * (decoders/), because the binding's can neither be streamed nor, for some inputs, be called without ending the process.
 */
import { Tokenizer as Binding } from "tokenizers";
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { decoderFromJson } from "./decoders/decoder-from-json.ts";
import type { TokenDecoder } from "./decoders/token-decoder.ts";
import type { TokenizerSource } from "./loaders/tokenizer-source.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.ts";
import { checkTokenizerJson } from "./tokenizer-json-checks.ts";

const ROOT = z.object({
  added_tokens: z
    .array(z.object({ id: z.int().min(0), content: z.string(), special: z.boolean().default(false) }))
    .default([]),
  // Its entries, up to some 200,000, are the library's to check.
  model: z.object({
    vocab: z.custom<Readonly<Record<string, unknown>>>(isObject, "must be an object or a list"),
  }),
  decoder: z.unknown(),
});
type Root = z.infer<typeof ROOT>;

/** See the module header. */
export class RustTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly maxTokenChars: number;
  readonly decoder: TokenDecoder;
  readonly #binding: Binding;
  readonly #source: TokenizerSource;
  /** The same without added tokens, made when it is first needed. */
  #literalBinding: Binding | null = null;
  readonly #specialTokens: ReadonlySet<string>;
  /** Spellings as they were asked for; null for an id that does not exist. */
  readonly #spellings = new Map<number, string | null>();

  /**
   * @param source what a loader read.
   * @param namedTokens special tokens that the model's configuration names; those in the vocabulary become special.
   * @throws TroupeError `invalid_model` naming file and cause, `unsupported_model` for a decoder that cannot be streamed
   */
  constructor(source: TokenizerSource, namedTokens: readonly string[]) {
    const { file } = source;
    this.#source = source;
    checkTokenizerJson(source.json, file);
    const root = parse(ROOT, source.json, { code: "invalid_model", what: file });
    this.decoder = decoderFromJson(root.decoder, file);
    this.#binding = createBinding(source);
    checkAddedTokens(this.#binding, root, file);
    this.#specialTokens = markSpecial(this.#binding, root, namedTokens);
    this.vocabSize = this.#binding.getVocabSize(true);
    this.maxTokenChars = longestToken(root);
  }

  async encode(text: string, options: EncodeOptions): Promise<Int32Array> {
    try {
      const binding = options.isLiteral === true ? this.#literal() : this.#binding;
      const encoding = await binding.encode(text, null, { addSpecialTokens: options.addSpecialTokens });
      return Int32Array.from(encoding.getIds());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new TroupeError("invalid_request", `The text cannot be tokenized: ${reason}`, { cause: error });
    }
  }

  tokensOf(ids: Iterable<number>, options: DecodeOptions): string[] {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.tokenText(id);
      if (token === null || (options.skipSpecialTokens && this.#specialTokens.has(token))) continue;
      tokens.push(token);
    }
    return tokens;
  }

  tokenText(id: number): string | null {
    const known = this.#spellings.get(id);
    if (known !== undefined) return known;
    const isId = Number.isInteger(id) && id >= 0 && id < 2 ** 32;
    const token = isId ? this.#binding.idToToken(id) : null;
    // Ids that do not exist are not remembered: a caller can name any number of them.
    if (token !== null) this.#spellings.set(id, token);
    return token;
  }

  tokenId(token: string): number | null {
    return this.#binding.tokenToId(token);
  }

  #literal(): Binding {
    this.#literalBinding ??= createLiteralBinding(this.#source);
    return this.#literalBinding;
  }
}

/** One that does not find added tokens in a text: the library has no option for it. */
function createLiteralBinding({ file, json }: TokenizerSource): Binding {
  const root = z.record(z.string(), z.unknown()).parse(json);
  return createBinding({ file, json, text: JSON.stringify({ ...root, added_tokens: [] }) });
}

function createBinding({ text, file }: TokenizerSource): Binding {
  try {
    const binding = Binding.fromString(text);
    // A file may carry limits of its training run; a server decides on lengths itself.
    binding.disableTruncation();
    binding.disablePadding();
    return binding;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TroupeError("invalid_model", `${file}: ${reason}`, { cause: error, details: { file } });
  }
}

/** The library silently gives a token another id where the file's is out of order: the model would read nonsense. */
function checkAddedTokens(binding: Binding, { added_tokens: tokens }: Root, file: string): void {
  for (const { id, content } of tokens) {
    const actual = binding.tokenToId(content);
    if (actual === id) continue;
    const message = `${file}: added token ${JSON.stringify(content)} has id ${id}, but would be read as ${actual}.`;
    throw new TroupeError(
      "invalid_model",
      `${message} Ids of added tokens must follow the vocabulary without gaps.`,
      {
        details: { file, token: content, id, actual },
      },
    );
  }
}

/** As transformers does, but never gives a token that the model does not know a new id. */
function markSpecial(binding: Binding, root: Root, namedTokens: readonly string[]): ReadonlySet<string> {
  const added = new Set(root.added_tokens.map((token) => token.content));
  const promoted = namedTokens.filter((token) => !added.has(token) && binding.tokenToId(token) !== null);
  if (promoted.length > 0) binding.addSpecialTokens(promoted);
  const special = root.added_tokens.filter((token) => token.special).map((token) => token.content);
  return new Set([...special, ...promoted]);
}

function longestToken({ model, added_tokens: added }: Root): number {
  let longest = 1;
  const see = (token: unknown): void => {
    if (typeof token === "string" && token.length > longest) longest = token.length;
  };
  if (Array.isArray(model.vocab))
    for (const entry of model.vocab) see(Array.isArray(entry) ? entry[0] : entry);
  else for (const token in model.vocab) see(token);
  for (const token of added) see(token.content);
  return longest;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
