/**
 * The streaming detokenizer: token ids in, text out that no later token changes. Its state is a plain value that travels
 * with the request, so any worker can go on with it.
 *
 * Promise: the pieces, joined, are the text of all output ids decoded at once after the prompt, whatever way the ids were
 * cut into calls. "After the prompt" matters where the first token of a text is special: with Llama 2, " world" after
 * "Hello" keeps its space. A character that the prompt leaves unfinished belongs to the output.
 */
import type { DecoderState } from "./decoders/token-decoder.ts";
import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

/** Where the detokenization of one output stands. Can be cloned between threads. */
export interface DetokenizerState {
  readonly skipSpecialTokens: boolean;
  readonly decoder: DecoderState;
}

/** Text that is settled, and the state after it. */
export interface DetokenizedText {
  readonly state: DetokenizerState;
  readonly text: string;
}

/**
 * The state before the first output token.
 *
 * @param promptIds the prompt's token ids; their text is not given again.
 */
export function createDetokenizer(
  tokenizer: Tokenizer,
  promptIds: Iterable<number>,
  options: DecodeOptions,
): DetokenizerState {
  const promptTokens = tokenizer.tokensOf(promptIds, options);
  return { skipSpecialTokens: options.skipSpecialTokens, decoder: tokenizer.decoder.after(promptTokens) };
}

/**
 * Takes the next output ids. With `isFinal` also gives what was held back: an unfinished character as U+FFFD.
 *
 * @example
 * ```ts
 * let state = createDetokenizer(tokenizer, promptIds, { skipSpecialTokens: true });
 * for (const id of outputIds) {
 *   const step = detokenize(tokenizer, state, [id], false);
 *   state = step.state;
 *   process.stdout.write(step.text);
 * }
 * ```
 */
export function detokenize(
  tokenizer: Tokenizer,
  state: DetokenizerState,
  ids: Iterable<number>,
  isFinal: boolean,
): DetokenizedText {
  const tokens = tokenizer.tokensOf(ids, state);
  const { state: decoder, text } = tokenizer.decoder.push(state.decoder, tokens, isFinal);
  return { state: { skipSpecialTokens: state.skipSpecialTokens, decoder }, text };
}
