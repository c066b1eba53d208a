/**
 * Stop strings in text that arrives in pieces. The match that is complete first wins (of several complete at once, the
 * longest), so the result does not depend on how the text was cut. Text that may turn out to begin a stop string is held
 * back.
 */

/** What to look for. */
export interface StopOptions {
  /** Empty strings never match. */
  readonly stop: readonly string[];
  /** Show the stop string at the end; then nothing is ever held back. */
  readonly includeStopStrInOutput: boolean;
}

/** Where the matching stands. */
export interface StopState {
  /** The longest end of the text so far that a stop string may begin with. */
  readonly tail: string;
}

/** What a piece of text gave. */
export interface StopStep {
  readonly state: StopState;
  /** Text that may be shown now. */
  readonly text: string;
  /** The stop string found; nothing may be shown after it. */
  readonly match: string | null;
}

/** The state before the first piece. */
export const NO_TAIL: StopState = { tail: "" };

/**
 * Takes the next piece.
 *
 * @param acts false when this piece comes too early to end the answer: a stop string that ends in it is ordinary text.
 * @example
 * ```ts
 * const options = { stop: ["</s>"], includeStopStrInOutput: false };
 * const first = matchStop(NO_TAIL, options, "Hello <", true); // text "Hello ", "<" is held
 * matchStop(first.state, options, "/s> more", true); // text "", match "</s>"
 * ```
 */
export function matchStop(state: StopState, options: StopOptions, piece: string, acts: boolean): StopStep {
  if (options.stop.length === 0) return { state: NO_TAIL, text: piece, match: null };
  const text = state.tail + piece;
  // What was given out before: all of the tail when nothing is held back.
  const shown = options.includeStopStrInOutput ? state.tail.length : 0;
  const match = acts && piece !== "" ? firstMatch(options.stop, text, state.tail.length) : null;
  if (match !== null) {
    const end = options.includeStopStrInOutput ? match.end : match.start;
    return { state: NO_TAIL, text: text.slice(shown, end), match: text.slice(match.start, match.end) };
  }
  const tail = possibleBeginning(options.stop, text);
  const end = options.includeStopStrInOutput ? text.length : text.length - tail.length;
  return { state: { tail }, text: text.slice(shown, end), match: null };
}

/** Gives out what is held back, once no more text comes. */
export function flushStop(state: StopState, options: StopOptions): string {
  return options.includeStopStrInOutput ? "" : state.tail;
}

interface Match {
  readonly start: number;
  readonly end: number;
}

/** The match that ends first among those that end after `minEnd`; of these, the one that starts first. */
function firstMatch(stops: readonly string[], text: string, minEnd: number): Match | null {
  let best: Match | null = null;
  for (const stop of stops) {
    if (stop === "") continue;
    const start = text.indexOf(stop, Math.max(0, minEnd - stop.length + 1));
    if (start < 0) continue;
    const end = start + stop.length;
    if (best === null || end < best.end || (end === best.end && start < best.start)) best = { start, end };
  }
  return best;
}

/** The longest end of `text` that is the beginning, but not all, of a stop string. */
function possibleBeginning(stops: readonly string[], text: string): string {
  const longest = stops.reduce((length, stop) => Math.max(length, stop.length), 0);
  for (let start = Math.max(0, text.length - longest + 1); start < text.length; start++) {
    const end = text.slice(start);
    if (stops.some((stop) => stop.length > end.length && stop.startsWith(end))) return end;
  }
  return "";
}
