/**
 * Replaces fixed strings in the text as a whole, wherever tokens cut it: an end that may become one of them is held back.
 */
import type { DecoderStage } from "./decoder-stage.ts";

/**
 * `held` is the end of the text that begins one of the strings.
 *
 * @param replacements what becomes of each string; none may be the beginning of another
 */
export function replaceAllStage(replacements: ReadonlyMap<string, string>): DecoderStage {
  const patterns = [...replacements.keys()];
  const expression = new RegExp(patterns.map((pattern) => literally(pattern)).join("|"), "g");
  const beginnings = new Set(
    patterns.flatMap((pattern) => Array.from(pattern, (_, end) => pattern.slice(0, end)).slice(1)),
  );
  const longest = Math.max(...[...beginnings].map(({ length }) => length));

  /** Where the held end begins: the earliest place from which the text could still become a string. */
  const heldFrom = (text: string): number => {
    for (let from = Math.max(0, text.length - longest); from < text.length; from++)
      if (beginnings.has(text.slice(from))) return from;
    return text.length;
  };

  return {
    middle: { count: 0, held: "" },
    push({ held }, tokens) {
      const text = (held + tokens.join("")).replace(expression, (found) => replacements.get(found)!);
      const end = heldFrom(text);
      return { state: { count: 0, held: text.slice(end) }, tokens: end === 0 ? [] : [text.slice(0, end)] };
    },
    flush: ({ held }) => (held === "" ? [] : [held]),
    settle: ({ held }) => ({ state: { count: 0, held: "" }, tokens: held === "" ? [] : [held] }),
  };
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
