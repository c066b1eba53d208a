/**
 * Tokens to text, all at once or as they come, by the same stages: so streamed text equals whole text by construction.
 * A token costs the same however long the text before it is.
 */
import { toBinary } from "../utf8.ts";
import { type DecoderStage, START, type StageState } from "./decoder-stage.ts";

/** Where a decoding stands: plain data, one entry for each stage. */
export type DecoderState = readonly StageState[];

/** Text that no later token changes, and where the decoding stands after it. */
export interface DecodedText {
  readonly state: DecoderState;
  readonly text: string;
}

/**
 * A sequence of stages. It keeps no state of its own; see {@link DecoderState}.
 *
 * @example
 * ```ts
 * const decoder = new TokenDecoder([byteLevelStage()]);
 * decoder.decode(["Hello", "Ġworld"]); // "Hello world"
 * ```
 */
export class TokenDecoder {
  readonly #stages: readonly DecoderStage[];
  readonly #middle: DecoderState;

  constructor(stages: readonly DecoderStage[]) {
    this.#stages = stages;
    this.#middle = stages.map((stage) => stage.middle);
  }

  /** The text of all tokens. */
  decode(tokens: readonly string[]): string {
    return this.push(this.#start(), tokens, true).text;
  }

  /** The state after a prompt's tokens; their text is not given again. */
  after(promptTokens: readonly string[]): DecoderState {
    let pieces = promptTokens;
    return this.#stages.map((stage) => {
      const output = stage.push(START, pieces);
      const settled = stage.settle?.(output.state) ?? { state: output.state, tokens: [] };
      pieces = [...output.tokens, ...settled.tokens];
      return settled.state;
    });
  }

  /** Takes more tokens; with `isFinal` gives out what was held back too. */
  push(state: DecoderState, tokens: readonly string[], isFinal: boolean): DecodedText {
    let pieces = tokens;
    const next = this.#stages.map((stage, index) => {
      const output = stage.push(state[index] ?? START, pieces);
      const held = isFinal ? (stage.flush?.(output.state) ?? []) : [];
      pieces = held.length === 0 ? output.tokens : [...output.tokens, ...held];
      return output.state;
    });
    return { state: next, text: pieces.join("") };
  }

  /** The bytes a token adds in the middle of a text; they may be part of a character. */
  bytesOf(token: string): Uint8Array {
    for (const stage of this.#stages) {
      const bytes = stage.bytes?.(token);
      if (bytes !== undefined && bytes !== null) return Uint8Array.from(Buffer.from(bytes, "latin1"));
    }
    const { text } = this.push(this.#middle, [token], true);
    return Uint8Array.from(Buffer.from(toBinary(text), "latin1"));
  }

  #start(): DecoderState {
    return this.#stages.map(() => START);
  }
}
