/**
 * The ByteFallback decoder of SentencePiece vocabularies: tokens `<0x00>` to `<0xFF>` are bytes. A whole run of them is
 * decoded at once, and one wrong byte turns every byte of the run into U+FFFD, so a run is held until it ends or breaks.
 */
import { characterStatus, decodeLossy } from "../utf8.ts";
import type { DecoderStage, StageOutput, StageState } from "./decoder-stage.ts";

const REPLACEMENT = "\uFFFD";
/** `count` of a run that can no longer be valid; its bytes need not be held any more. */
const BROKEN = -1;
const NO_RUN: StageState = { count: 0, held: "" };

/** `held` is the open run's bytes; `count` says how many of them make complete characters, or BROKEN. */
export function byteFallbackStage(): DecoderStage {
  return {
    middle: NO_RUN,
    push(state, tokens) {
      const output: string[] = [];
      for (const token of tokens) {
        const byte = byteOf(token);
        if (byte === null) {
          output.push(...closeRun(state), token);
          state = NO_RUN;
        } else {
          state = extendRun(state, byte, output);
        }
      }
      return { state, tokens: output };
    },
    flush: closeRun,
    settle: settleRun,
    bytes: byteOf,
  };
}

function extendRun(state: StageState, byte: string, output: string[]): StageState {
  if (state.count === BROKEN) {
    output.push(REPLACEMENT);
    return state;
  }
  const held = state.held + byte;
  const status = characterStatus(held.slice(state.count));
  if (status === "complete") return { count: held.length, held };
  if (status === "partial") return { count: state.count, held };
  for (let i = 0; i < held.length; i++) output.push(REPLACEMENT);
  return { count: BROKEN, held: "" };
}

function closeRun(state: StageState): readonly string[] {
  if (state.held === "") return [];
  if (state.count === state.held.length) return [decodeLossy(state.held)];
  return Array.from(state.held, () => REPLACEMENT);
}

/** Complete characters at the end of a prompt are the prompt's, though its run of bytes goes on. */
function settleRun(state: StageState): StageOutput {
  if (state.count === BROKEN || state.count === 0) return { state, tokens: [] };
  const tokens = [decodeLossy(state.held.slice(0, state.count))];
  return { state: { count: 0, held: state.held.slice(state.count) }, tokens };
}

/** The byte a token spells, as Rust reads it: `<0x` two hexadecimal digits `>`. */
function byteOf(token: string): string | null {
  const digits = /^<0x([0-9a-fA-F]{2}|\+[0-9a-fA-F])>$/.exec(token)?.[1];
  return digits === undefined ? null : String.fromCharCode(Number.parseInt(digits, 16));
}
