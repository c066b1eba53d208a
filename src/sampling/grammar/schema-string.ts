/** Strings: any, of bounded length (counted in characters), of a pattern, of a format. */
import { type Expr, repeat } from "./grammar.ts";
import { inString, quoted, STRING_CHARACTER } from "./json-text.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import { regexExpr } from "./regex.ts";
import type { SchemaObject } from "./schema-keywords.ts";
import { countAt, stringAt } from "./schema-values.ts";
import { STRING_FORMATS } from "./string-formats.ts";

/** Null when the schema says nothing about strings. */
export function stringExpr(schema: SchemaObject, where: string): Expr | null {
  const pattern = stringAt(schema, "pattern", where);
  const format = stringAt(schema, "format", where);
  const min = countAt(schema, "minLength", where);
  const max = countAt(schema, "maxLength", where);
  const hasLength = min !== undefined || max !== undefined;
  if ([pattern !== undefined, format !== undefined, hasLength].filter(Boolean).length > 1)
    refuseGrammar(
      where,
      '"pattern", "format" and lengths are supported one at a time. A pattern can say the length too: "^[a-z]{2,8}$".',
    );
  if (pattern !== undefined)
    return quoted(regexExpr(pattern, { param: `${where}.pattern`, encode: inString, mode: "search" }));
  if (format !== undefined) return quoted(formatExpr(format, `${where}.format`));
  if (!hasLength) return null;
  if (max !== undefined && (min ?? 0) > max)
    refuseGrammar(`${where}.minLength`, `is ${min}, more than "maxLength", which is ${max}.`);
  return quoted(repeat(STRING_CHARACTER, min ?? 0, max ?? null));
}

function formatExpr(format: string, param: string): Expr {
  const pattern = Object.hasOwn(STRING_FORMATS, format) ? STRING_FORMATS[format] : undefined;
  if (pattern === undefined) {
    const known = Object.keys(STRING_FORMATS).join(", ");
    refuseGrammar(
      param,
      `the format ${JSON.stringify(format)} is not supported; known are ${known}. Leave it out or use "pattern".`,
    );
  }
  return regexExpr(pattern, { param, encode: inString, mode: "whole" });
}
