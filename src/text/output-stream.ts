/**
 * The text of one answer as its tokens arrive: detokenizer and stop strings together, one token at a time, so that the
 * result does not depend on how many tokens a step brings.
 */
import type { SamplingParams } from "../sampling/sampling-params.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";
import { createDetokenizer, type DetokenizerState, detokenize } from "./detokenizer.ts";
import { flushStop, matchStop, NO_TAIL, type StopOptions, type StopState } from "./stop-matcher.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The fields of a request that decide on its text. */
export type TextParams = Pick<
  SamplingParams,
  "stop" | "includeStopStrInOutput" | "minTokens" | "skipSpecialTokens"
>;

/** Where one answer stands. A plain value: it goes to a worker with new tokens and comes back with text. */
export interface OutputState {
  readonly params: StopOptions & { readonly minTokens: number };
  readonly detokenizer: DetokenizerState;
  readonly stop: StopState;
  /** Output tokens taken so far. */
  readonly numTokens: number;
  /** The answer has ended; further tokens are ignored. */
  readonly isFinished: boolean;
}

/** What one step gives an answer. */
export interface OutputStep {
  /** New tokens; the ending token included. */
  readonly tokenIds: readonly number[];
  readonly finishReason: FinishReason | null;
}

/** What the answer gains. */
export interface OutputDelta {
  readonly state: OutputState;
  /** Text that no later token changes. */
  readonly text: string;
  /** How many of the step's tokens belong to the answer: those after a stop string's last token do not. */
  readonly numTokens: number;
  /** `stop` when a stop string was found, else the step's. */
  readonly finishReason: FinishReason | null;
  /** The stop string that ended the answer. */
  readonly stopString: string | null;
}

/** The state before the first output token. */
export function createOutput(
  tokenizer: Tokenizer,
  promptIds: Iterable<number>,
  params: TextParams,
): OutputState {
  const { stop, includeStopStrInOutput, minTokens } = params;
  return {
    // Half a surrogate pair is no text; it would only match inside a character.
    params: { stop: stop.filter((text) => text.isWellFormed()), includeStopStrInOutput, minTokens },
    detokenizer: createDetokenizer(tokenizer, promptIds, params),
    stop: NO_TAIL,
    numTokens: 0,
    isFinished: false,
  };
}

/**
 * Takes one step's tokens.
 *
 * @example
 * ```ts
 * const delta = advanceOutput(tokenizer, state, { tokenIds: [1807, 2], finishReason: "stop" });
 * ```
 */
export function advanceOutput(tokenizer: Tokenizer, state: OutputState, step: OutputStep): OutputDelta {
  if (state.isFinished) return { state, text: "", numTokens: 0, finishReason: null, stopString: null };
  let text = "";
  let current = state;
  for (const [index, id] of step.tokenIds.entries()) {
    const isHidden = step.finishReason === "stop" && index === step.tokenIds.length - 1 && hidesEnd(state);
    const taken = take(
      tokenizer,
      { ...current, numTokens: current.numTokens + 1 },
      isHidden ? [] : [id],
      false,
    );
    current = taken.state;
    text += taken.text;
    if (taken.match !== null) return finish(current, text, index + 1, "stop", taken.match);
  }
  if (step.finishReason === null)
    return { state: current, text, numTokens: step.tokenIds.length, finishReason: null, stopString: null };
  const last = take(tokenizer, current, [], true);
  text += last.text;
  if (last.match !== null) return finish(last.state, text, step.tokenIds.length, "stop", last.match);
  text += flushStop(last.state.stop, state.params);
  return finish(last.state, text, step.tokenIds.length, step.finishReason, null);
}

/** The token that ended an answer is not shown, unless stop strings are. */
function hidesEnd(state: OutputState): boolean {
  return !state.params.includeStopStrInOutput;
}

function take(tokenizer: Tokenizer, state: OutputState, ids: readonly number[], isFinal: boolean) {
  const settled = detokenize(tokenizer, state.detokenizer, ids, isFinal);
  const acts = state.numTokens > state.params.minTokens;
  const { state: stop, text, match } = matchStop(state.stop, state.params, settled.text, acts);
  return { state: { ...state, detokenizer: settled.state, stop }, text, match };
}

function finish(
  state: OutputState,
  text: string,
  numTokens: number,
  finishReason: FinishReason,
  stopString: string | null,
): OutputDelta {
  return { state: { ...state, isFinished: true }, text, numTokens, finishReason, stopString };
}
