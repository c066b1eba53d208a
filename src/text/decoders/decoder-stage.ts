/**
 * A decoder stage, the unit of which token decoders are made: the streaming form of one decoder of Hugging Face
 * `tokenizers`. Where Rust's `decode_chain` maps all tokens at once, a stage takes them a few at a time, gives back what
 * no later token can change, and keeps the rest in a state that is plain data.
 *
 * Law of a stage: whatever way the tokens are cut into calls, the outputs of `push` followed by `flush` are, joined, what
 * decode_chain gives for all tokens.
 */

/** What a stage remembers; each stage says what its two fields mean. Can be cloned between threads. */
export interface StageState {
  readonly count: number;
  readonly held: string;
}

/** What a stage gives back for some tokens. */
export interface StageOutput {
  readonly state: StageState;
  readonly tokens: readonly string[];
}

/** One step of a decoder. */
export interface DecoderStage {
  /** The state after at least one ordinary token with nothing held back. */
  readonly middle: StageState;
  push(state: StageState, tokens: readonly string[]): StageOutput;
  /** What is still held, once no more tokens come. */
  flush?(state: StageState): readonly string[];
  /** Called where a prompt ends: gives what is held of the prompt's own text, and the state without it. */
  settle?(state: StageState): StageOutput;
  /** Raw bytes of a token as a binary string, when this stage is the one that knows them. */
  bytes?(token: string): string | null;
}

/** The state before the first token. */
export const START: StageState = { count: 0, held: "" };

/** A stage that maps each token on its own, knowing only whether it is the first. `count` is 0 before the first. */
export function mapStage(map: (token: string, isFirst: boolean) => string): DecoderStage {
  return {
    middle: { count: 1, held: "" },
    push(state, tokens) {
      if (tokens.length === 0) return { state, tokens };
      const mapped = tokens.map((token, index) => map(token, state.count === 0 && index === 0));
      return { state: { count: 1, held: "" }, tokens: mapped };
    },
  };
}
