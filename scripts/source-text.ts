/**
 * Reads TypeScript just well enough for the project checks: comments blanked out (lines stay where they are), and the
 * imports of a file. A real parser would be another dependency for a job of a page.
 */
import type { Import } from "./layers.ts";

/** The text with comments turned into spaces and, on request, what stands in quotes too. Newlines stay. */
export function blank(text: string, options: { readonly strings: boolean }): string {
  let out = "";
  let position = 0;
  let lastToken = "";
  while (position < text.length) {
    const match = TOKEN.exec(at(text, position)) ?? [text.charAt(position)];
    const token = match[0];
    const isComment = token.startsWith("//") || token.startsWith("/*");
    const isString = /^["'`]/.test(token);
    const isDivision = token.length > 1 && token.startsWith("/") && !isComment && /[\w)\]]$/.test(lastToken);
    const taken = isDivision ? "/" : token;
    const hide = isComment || (isString && options.strings);
    out += hide ? taken.replace(/[^\n]/g, " ") : taken;
    position += taken.length;
    if (!isComment && taken.trim() !== "") lastToken = taken;
  }
  return out;
}

const TOKEN =
  /^(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*|\w+|\s+)/;

function at(text: string, position: number): string {
  return text.slice(position, position + 20_000);
}

const IMPORT =
  /(?<![.\w])(?:(?<statement>import|export)\s+(?<type>type\s+(?!from\b|,))?(?:[\w$*{}\s,]+?\s+from\s+)?|(?<typeof>typeof\s+)?(?:import|require)\(\s*)["'](?<specifier>[^"']+)["']/g;

/** Every static, dynamic and re-exporting import of a file, in order. */
export function importsOf(file: string, text: string): Import[] {
  const code = blank(text, { strings: false });
  return [...code.matchAll(IMPORT)].map((match) => ({
    file,
    line: lineAt(code, match.index),
    specifier: match.groups!.specifier!,
    isTypeOnly: match.groups!.type !== undefined || match.groups!.typeof !== undefined,
  }));
}

/** 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (
    let index = text.indexOf("\n");
    index !== -1 && index < offset;
    index = text.indexOf("\n", index + 1)
  ) {
    line++;
  }
  return line;
}
