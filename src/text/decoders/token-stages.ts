/** The small decoders that look at one token at a time, or at the edges of the text. */
import { type DecoderStage, mapStage } from "./decoder-stage.ts";

/** Without a decoder tokens are joined by spaces. */
export function spaceJoinStage(): DecoderStage {
  return mapStage((token, isFirst) => (isFirst ? token : ` ${token}`));
}

/** `▁` stands for a space; the first token loses its own, because encoding put it there. */
export function metaspaceStage(replacement: string, dropsFirst: boolean): DecoderStage {
  return mapStage((token, isFirst) => token.replaceAll(replacement, isFirst && dropsFirst ? "" : " "));
}

/** Replaces a fixed string inside each token. */
export function replaceStage(pattern: string, content: string): DecoderStage {
  return mapStage((token) => token.replaceAll(pattern, () => content));
}

/** `##` continues a word; every other token but the first begins one. */
export function wordPieceStage(prefix: string, cleanup: boolean): DecoderStage {
  return mapStage((token, isFirst) => {
    const word = isFirst ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    return cleanup ? cleanUp(word) : word;
  });
}

/** Order matters; tokenizers, decoders/wordpiece.rs, cleanup. */
function cleanUp(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" do not", " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}

/** Removes up to `start` times `content` from the beginning and `stop` times from the end of each token. */
export function stripTokenStage(content: string, start: number, stop: number): DecoderStage {
  return mapStage((token) => {
    const characters = [...token];
    let from = 0;
    while (from < Math.min(start, characters.length) && characters[from] === content) from++;
    let to = characters.length;
    while (characters.length - to < stop && to > from && characters[to - 1] === content) to--;
    return characters.slice(from, to).join("");
  });
}

/**
 * The same for the text as a whole. `count` is the number of characters looked at from the beginning (at most `start`),
 * `held` the occurrences of `content` that may turn out to be the end.
 */
export function stripTextStage(content: string, start: number, stop: number): DecoderStage {
  return {
    middle: { count: start, held: "" },
    push(state, tokens) {
      const characters = [...tokens.join("")];
      let count = state.count;
      let from = 0;
      for (; count < start && from < characters.length; count++) {
        if (characters[from] !== content) count = start - 1;
        else from++;
      }
      const text = [...state.held, ...characters.slice(from)];
      let to = text.length;
      while (text.length - to < stop && to > 0 && text[to - 1] === content) to--;
      return { state: { count, held: text.slice(to).join("") }, tokens: [text.slice(0, to).join("")] };
    },
  };
}

/**
 * The first kind of BPE: `</w>` ends a word and becomes a space, except in the last token. So the last token is held;
 * `held` is that token, `count` 1 when there is one.
 */
export function bpeSuffixStage(suffix: string): DecoderStage {
  return {
    middle: { count: 0, held: "" },
    push(state, tokens) {
      if (tokens.length === 0) return { state, tokens };
      const all = state.count === 0 ? tokens : [state.held, ...tokens];
      const settled = all.slice(0, -1).map((token) => token.replaceAll(suffix, " "));
      return { state: { count: 1, held: all.at(-1) ?? "" }, tokens: settled };
    },
    flush: (state) => (state.count === 0 ? [] : [state.held.replaceAll(suffix, "")]),
    // The word is the prompt's; the space that follows it in the middle of a text is the output's.
    settle: ({ count, held }) => ({
      state: { count, held: held.includes(suffix) ? suffix : "" },
      tokens: [],
    }),
  };
}
