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
      let bytes = "";
      for (const token of tokens) {
        const byte = byteOf(token);
        if (byte !== null) {
          bytes += byte;
          continue;
        }
        for (const text of closeRun(extendRun(state, bytes, output))) output.push(text);
        output.push(token);
        state = NO_RUN;
        bytes = "";
      }
      return { state: extendRun(state, bytes, output), tokens: output };
    },
    flush: closeRun,
    settle: settleRun,
    bytes: byteOf,
  };
}

function extendRun(state: StageState, bytes: string, output: string[]): StageState {
  const numComplete = state.count === BROKEN ? null : completeLength(state.held.slice(state.count) + bytes);
  if (numComplete !== null) return { count: state.count + numComplete, held: state.held + bytes };
  for (let i = 0; i < state.held.length + bytes.length; i++) output.push(REPLACEMENT);
  return { count: BROKEN, held: "" };
}

/** Bytes that make complete characters, when what follows them may become one more; null when it never will. */
function completeLength(binary: string): number | null {
  let start = 0;
  for (let end = 1; end <= binary.length; end++) {
    const status = characterStatus(binary.slice(start, end));
    if (status === "invalid") return null;
    if (status === "complete") start = end;
  }
  return start;
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
export function byteOf(token: string): string | null {
  const digits = /^<0x([0-9a-fA-F]{2}|\+[0-9a-fA-F])>$/.exec(token)?.[1];
  return digits === undefined ? null : String.fromCharCode(Number.parseInt(digits, 16));
}
