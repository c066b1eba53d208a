/**
 * A prompt as a chain of keys, piece by piece, without a tokenizer: two prompts whose keys agree up to one begin alike up
 * to there. What an engine has in its prefix cache can be guessed from them.
 */
import { createHash } from "node:crypto";
import type { Prompt } from "../protocol/engine.ts";

/** Characters or token ids in a piece: some pages' worth. */
const PIECE_CHARACTERS = 256;
const PIECE_IDS = 64;
/** More would cost more than a miss behind them. */
const MAX_PIECES = 128;

/**
 * @returns up to 128 keys; the last may stand for a piece that is not full
 * @example
 * ```ts
 * promptPieces({ kind: "text", text: "Once upon a time" }).length; // 1
 * ```
 */
export function promptPieces(prompt: Prompt): string[] {
  const keys: string[] = [];
  let key = "";
  for (const piece of piecesOf(prompt)) {
    key = createHash("sha1").update(key).update(piece).digest("base64");
    keys.push(key);
    if (keys.length === MAX_PIECES) break;
  }
  return keys;
}

function* piecesOf(prompt: Prompt): Generator<string> {
  switch (prompt.kind) {
    case "ids":
      for (let start = 0; start < prompt.ids.length; start += PIECE_IDS)
        yield prompt.ids.slice(start, start + PIECE_IDS).join(",");
      return;
    case "text":
      yield* slices(prompt.text);
      return;
    case "chat": {
      const { messages, tools, template, variables } = prompt;
      // Templates put these first, or turn the whole text over.
      yield* slices(JSON.stringify([tools ?? null, template ?? null, variables ?? null]));
      for (const message of messages) yield* slices(JSON.stringify(message));
    }
  }
}

function* slices(text: string): Generator<string> {
  for (let start = 0; start < text.length; start += PIECE_CHARACTERS)
    yield text.slice(start, start + PIECE_CHARACTERS);
}
