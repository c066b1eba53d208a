/**
 * What the Python classes around SentencePiece models add to them: tokens after the vocabulary, what goes around a text,
 * and whether a text can spell special tokens. Most follow Llama; ChatGLM has tokens of its own.
 */
import { type AddedToken, plainToken } from "../added-tokens.ts";
import type { DecoderStage } from "../decoders/decoder-stage.ts";
import type { TokenizerFolder } from "../loaders/tokenizer-source.ts";
import type { SentencePieceModel } from "./model-proto.ts";

/** See the module header. */
export interface SentencePieceFamily {
  readonly addedTokens: readonly AddedToken[];
  /** Ids before and after every text. */
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
  /** Added tokens that are found in a text. */
  readonly spelled: readonly AddedToken[];
  /** What each stretch of text goes through before SentencePiece sees it. */
  readonly prepare?: (text: string) => string;
  /** What undoes that, after SentencePiece's decoding. */
  readonly restore?: DecoderStage;
}

/** tokenization_chatglm.py of THUDM/chatglm2-6b (the first five) and THUDM/chatglm3-6b. */
const CHATGLM_TOKENS = [
  "[MASK]",
  "[gMASK]",
  "[sMASK]",
  "sop",
  "eop",
  "<|system|>",
  "<|user|>",
  "<|assistant|>",
  "<|observation|>",
];

export function sentencePieceFamily(model: SentencePieceModel, folder: TokenizerFolder): SentencePieceFamily {
  const isChatGlm =
    folder.settings.tokenizerClass === "ChatGLMTokenizer" ||
    (folder.settings.tokenizerClass === null && folder.family.modelType === "chatglm");
  return isChatGlm ? chatGlm(model, folder) : likeLlama(model, folder);
}

/** Its tokens are ids that a text cannot spell, unless the folder adds them to the tokenizer as well. */
function chatGlm({ pieces }: SentencePieceModel, { settings }: TokenizerFolder): SentencePieceFamily {
  const own = CHATGLM_TOKENS.map((content, index) => plainToken(pieces.length + index, content, true));
  const { addedTokens: spelled } = settings;
  const addedTokens = [...own, ...spelled.filter(({ id }) => id >= pieces.length + own.length)];
  return { addedTokens, prefix: [pieces.length + 1, pieces.length + 3], suffix: [], spelled };
}

/** tokenization_llama.py, tokenization_baichuan.py, tokenization_internlm.py: a begin token unless told not to. */
function likeLlama(model: SentencePieceModel, { settings }: TokenizerFolder): SentencePieceFamily {
  const { addBosToken, addEosToken, specialTokens, addedTokens } = settings;
  const idOf = new Map([
    ...model.pieces.map(({ text }, id) => [text, id] as const),
    ...addedTokens.map(({ content, id }) => [content, id] as const),
  ]);
  const boundary = (name: string, id: number | null): number | null => {
    const named = specialTokens[name];
    return typeof named === "string" ? (idOf.get(named) ?? null) : id;
  };
  const bos = (addBosToken ?? true) ? boundary("bos_token", model.bosId) : null;
  const eos = (addEosToken ?? false) ? boundary("eos_token", model.eosId) : null;
  const known = new Set(addedTokens.map(({ content }) => content));
  // Where the folder names no special tokens, a text is what SentencePiece makes of it: characters.
  const special = Object.values(specialTokens)
    .flat()
    .flatMap((content) => {
      const id = idOf.get(content);
      return id === undefined || known.has(content) ? [] : [plainToken(id, content, true)];
    });
  return {
    addedTokens,
    prefix: bos === null ? [] : [bos],
    suffix: eos === null ? [] : [eos],
    spelled: [...addedTokens, ...special],
  };
}
