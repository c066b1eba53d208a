/** Arrays: `items`, `prefixItems`, `minItems`, `maxItems`. */
import { EMPTY, type Expr, NEVER, optional, repeat, sequence } from "./grammar.ts";
import type { SchemaContext } from "./json-schema.ts";
import { brackets, COMMA } from "./json-text.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import type { SchemaObject } from "./schema-keywords.ts";
import { countAt, listAt } from "./schema-values.ts";

/** @throws TroupeError `invalid_request` */
export function arrayExpr(schema: SchemaObject, where: string, context: SchemaContext): Expr {
  if (schema.uniqueItems !== undefined && schema.uniqueItems !== false)
    refuseGrammar(
      `${where}.uniqueItems`,
      'the JSON schema keyword "uniqueItems" is not supported. Leave it out.',
    );
  const min = countAt(schema, "minItems", where) ?? 0;
  const max = countAt(schema, "maxItems", where) ?? null;
  if (max !== null && min > max)
    refuseGrammar(`${where}.minItems`, `is ${min}, more than "maxItems", which is ${max}.`);
  const prefix = (listAt(schema, "prefixItems", where) ?? []).map((item, index) =>
    context.compile(item, `${where}.prefixItems[${index}]`),
  );
  const more = context.compile(schema.items ?? true, `${where}.items`);
  return brackets(elements(prefix.slice(0, max ?? prefix.length), more, min, max));
}

/** Elements with commas between them, built from the end. */
function elements(prefix: readonly Expr[], more: Expr, min: number, max: number | null): Expr {
  const maxMore = max === null ? null : max - prefix.length;
  const minMore = Math.max(0, min - prefix.length);
  const tail = (index: number): Expr => {
    const separator = index === 0 ? EMPTY : COMMA;
    if (index < prefix.length) {
      const rest = sequence(separator, prefix[index]!, tail(index + 1));
      return index < min ? rest : optional(rest);
    }
    if (maxMore === 0) return EMPTY;
    if (more === NEVER) return minMore > 0 ? NEVER : EMPTY;
    if (index > 0) return repeat(sequence(COMMA, more), minMore, maxMore);
    const list = sequence(
      more,
      repeat(sequence(COMMA, more), Math.max(0, minMore - 1), maxMore === null ? null : maxMore - 1),
    );
    return minMore > 0 ? list : optional(list);
  };
  return tail(0);
}
