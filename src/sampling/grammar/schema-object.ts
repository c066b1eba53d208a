/**
 * Objects: the declared properties in their order, optional ones or not, then others if `additionalProperties` asks for
 * them. (Left out, JSON schema would allow others; they are not written then.)
 */
import { type CodePointRange, complement, intersect, utf8Of } from "./code-points.ts";
import { choice, EMPTY, type Expr, NEVER, optional, repeat, sequence, text } from "./grammar.ts";
import type { SchemaContext } from "./json-schema.ts";
import { braces, COMMA, member, quoted } from "./json-text.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import type { SchemaObject } from "./schema-keywords.ts";
import { isSchemaObject, listAt } from "./schema-values.ts";

interface Property {
  readonly member: Expr;
  readonly isRequired: boolean;
}

/** @throws TroupeError `invalid_request` */
export function objectExpr(schema: SchemaObject, where: string, context: SchemaContext): Expr {
  const declared = schema.properties ?? {};
  if (!isSchemaObject(declared)) refuseGrammar(`${where}.properties`, "must be an object of schemas.");
  const required = listAt(schema, "required", where) ?? [];
  const names = [...new Set([...Object.keys(declared), ...required.map((name) => nameOf(name, where))])];
  const others = schema.additionalProperties ?? names.length === 0;
  const properties = names.map((name): Property => {
    const isDeclared = Object.hasOwn(declared, name);
    // A required name without a schema is one of the others.
    const value = isDeclared ? declared[name] : (schema.additionalProperties ?? true);
    const path = isDeclared ? `${where}.properties.${name}` : `${where}.additionalProperties`;
    return {
      member: member(text(JSON.stringify(name)), context.compile(value, path)),
      isRequired: required.includes(name),
    };
  });
  const value = others === false ? NEVER : context.compile(others, `${where}.additionalProperties`);
  const other = value === NEVER ? NEVER : member(quoted(nameExcept(names)), value);
  return braces(members(properties, other, where, context));
}

function nameOf(name: unknown, where: string): string {
  if (typeof name !== "string") refuseGrammar(`${where}.required`, "must be a list of names.");
  return name;
}

/** Members with commas between them, built from the end; each rest is a rule, because two ways lead to it. */
function members(
  properties: readonly Property[],
  other: Expr,
  where: string,
  { rules }: SchemaContext,
): Expr {
  const id = `${where} ${rules.names.length}`;
  const tail = (index: number, isFirst: boolean): Expr =>
    rules.once(`${id} ${index} ${isFirst}`, () => {
      const property = properties[index];
      if (property === undefined) return othersAfter(other, isFirst);
      const taken = sequence(isFirst ? EMPTY : COMMA, property.member, tail(index + 1, false));
      return property.isRequired ? taken : choice(taken, tail(index + 1, isFirst));
    });
  return tail(0, true);
}

function othersAfter(other: Expr, isFirst: boolean): Expr {
  if (other === NEVER) return EMPTY;
  const more = repeat(sequence(COMMA, other), 0, null);
  return isFirst ? optional(sequence(other, more)) : more;
}

const NEVER_PLAIN: readonly CodePointRange[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];

/** Any name but these; without escapes, so that a name has one spelling. */
function nameExcept(names: readonly string[]): Expr {
  const anyRest = repeat(utf8Of(complement(NEVER_PLAIN)), 0, null);
  const except = (rests: readonly string[][]): Expr => {
    if (rests.length === 0) return anyRest;
    const heads = [...new Set(rests.flatMap((rest) => rest[0] ?? []))];
    const points = heads.map((head): CodePointRange => [head.codePointAt(0)!, head.codePointAt(0)!]);
    const ways = [sequence(utf8Of(complement([...NEVER_PLAIN, ...points])), anyRest)];
    heads.forEach((head, index) => {
      const behind = rests.filter((rest) => rest[0] === head).map((rest) => rest.slice(1));
      const isPlain = intersect([points[index]!], NEVER_PLAIN).length === 0;
      if (isPlain) ways.push(sequence(text(head), except(behind)));
    });
    return rests.some((rest) => rest.length === 0) ? choice(...ways) : choice(EMPTY, ...ways);
  };
  return except(names.map((name) => [...name]));
}
