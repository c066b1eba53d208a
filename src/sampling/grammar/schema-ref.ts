/** Follows a reference inside one schema document (a JSON pointer, RFC 6901, behind `#`). */
import { refuseGrammar } from "./refuse-grammar.ts";

/**
 * @param root the whole document
 * @throws TroupeError `invalid_request` when it points elsewhere or at nothing
 */
export function resolveRef(root: unknown, ref: unknown, where: string): unknown {
  const at = `${where}.$ref`;
  if (typeof ref !== "string" || !/^#(\/|$)/.test(ref))
    refuseGrammar(
      at,
      `only references into the same schema, such as "#/$defs/item", are supported (got ${JSON.stringify(ref)}).`,
    );
  let current: unknown = root;
  for (const part of ref.split("/").slice(1)) {
    const key = unescapePart(part);
    const isThere = typeof current === "object" && current !== null && Object.hasOwn(current, key);
    if (!isThere) refuseGrammar(at, `"${ref}" points at nothing.`);
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}

function unescapePart(part: string): string {
  let decoded = part;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    // a name with a bare percent sign stands for itself
  }
  return decoded.replaceAll("~1", "/").replaceAll("~0", "~");
}
