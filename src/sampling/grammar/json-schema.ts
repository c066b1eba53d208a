/**
 * JSON schema (the part named in docs/structured-output.md) as an expression: every text of it is JSON that the schema
 * accepts. It may leave out texts that the schema accepts too: other orders of properties, other white space.
 */
import { choice, type Expr, NEVER, text } from "./grammar.ts";
import { integerRange } from "./integer-range.ts";
import { anyArray, anyObject, anyValue, BOOLEAN, INTEGER, NULL, NUMBER, STRING } from "./json-text.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import type { RuleSet } from "./rule-set.ts";
import { arrayExpr } from "./schema-array.ts";
import { areExclusive } from "./schema-exclusive.ts";
import { checkKeywords, type JsonType, type SchemaObject, typesOf } from "./schema-keywords.ts";
import { objectExpr } from "./schema-object.ts";
import { resolveRef } from "./schema-ref.ts";
import { stringExpr } from "./schema-string.ts";
import { isSchemaObject, listAt, numberAt } from "./schema-values.ts";

/** What the parts of the compiler need of each other. */
export interface SchemaContext {
  readonly rules: RuleSet;
  /** A schema that stands at `where`. */
  readonly compile: (schema: unknown, where: string) => Expr;
}

const MAX_DEPTH = 64;
/** Of one enum. */
const MAX_VALUES = 1000;

/**
 * @param param the request's field, the beginning of paths in errors
 * @throws TroupeError `invalid_request` naming the keyword that is not supported or not valid
 */
export function jsonSchemaExpr(schema: unknown, rules: RuleSet, param: string): Expr {
  return new SchemaCompiler(schema, rules, param).compile(schema, param);
}

class SchemaCompiler implements SchemaContext {
  readonly rules: RuleSet;
  readonly #root: unknown;
  readonly #param: string;
  #depth = 0;

  constructor(root: unknown, rules: RuleSet, param: string) {
    this.#root = root;
    this.rules = rules;
    this.#param = param;
  }

  readonly compile = (schema: unknown, where: string): Expr => {
    if (schema === true) return anyValue(this.rules);
    if (schema === false) return NEVER;
    if (!isSchemaObject(schema)) refuseGrammar(where, "a schema is an object, true or false.");
    if (++this.#depth > MAX_DEPTH) refuseGrammar(where, `schemas nest more than ${MAX_DEPTH} deep.`);
    checkKeywords(schema, where);
    const expr = this.#decided(schema, where) ?? this.#ofTypes(schema, where);
    this.#depth--;
    return expr;
  };

  #decided(schema: SchemaObject, where: string): Expr | null {
    if (schema.$ref !== undefined) return this.#reference(schema.$ref, where);
    if ("const" in schema) return this.#literals([schema.const], schema, where);
    const values = listAt(schema, "enum", where);
    if (values !== undefined) return this.#literals(values, schema, where);
    for (const keyword of ["anyOf", "oneOf", "allOf"]) {
      const branches = listAt(schema, keyword, where);
      if (branches !== undefined) return this.#branches(keyword, branches, schema, where);
    }
    return null;
  }

  #reference(ref: unknown, where: string): Expr {
    const target = resolveRef(this.#root, ref, where);
    const depth = this.#depth;
    this.#depth = 0;
    const expr = this.rules.once(`${this.#param} ${String(ref)}`, () =>
      this.compile(target, `${this.#param}${String(ref).slice(1)}`),
    );
    this.#depth = depth;
    return expr;
  }

  #literals(values: readonly unknown[], schema: SchemaObject, where: string): Expr {
    if (values.length > MAX_VALUES)
      refuseGrammar(`${where}.enum`, `has ${values.length} values; the limit is ${MAX_VALUES}.`);
    const types = schema.type === undefined ? null : typesOf(schema, where);
    const valid = values.filter((value) => types === null || types.some((type) => isOfType(value, type)));
    return choice(...valid.map((value) => text(JSON.stringify(value))));
  }

  #branches(keyword: string, branches: readonly unknown[], schema: SchemaObject, where: string): Expr {
    const at = `${where}.${keyword}`;
    if (schema.type !== undefined)
      refuseGrammar(
        `${where}.type`,
        `"type" beside "${keyword}" is not supported. Move it into the branches.`,
      );
    if (branches.length === 0) refuseGrammar(at, "must have at least one branch.");
    if (keyword === "allOf" && branches.length > 1)
      refuseGrammar(at, '"allOf" of more than one schema is not supported. Merge them into one.');
    if (keyword === "oneOf" && !areExclusive(branches, this.#root))
      refuseGrammar(
        at,
        'the branches of "oneOf" may overlap, as far as can be told; use "anyOf", or give each a property of its own constant.',
      );
    return choice(...branches.map((branch, index) => this.compile(branch, `${at}[${index}]`)));
  }

  #ofTypes(schema: SchemaObject, where: string): Expr {
    const types = typesOf(schema, where);
    if (types === null) return anyValue(this.rules);
    return choice(...types.map((type) => this.#ofType(type, schema, where)));
  }

  #ofType(type: JsonType, schema: SchemaObject, where: string): Expr {
    switch (type) {
      case "object":
        return ["properties", "required", "additionalProperties"].some((keyword) => keyword in schema)
          ? objectExpr(schema, where, this)
          : anyObject(this.rules);
      case "array":
        return ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"].some(
          (keyword) => keyword in schema,
        )
          ? arrayExpr(schema, where, this)
          : anyArray(this.rules);
      case "string":
        return stringExpr(schema, where) ?? STRING;
      case "integer":
        return integerExpr(schema, where);
      case "number":
        return numberExpr(schema, where);
      case "boolean":
        return BOOLEAN;
      case "null":
        return NULL;
    }
  }
}

const BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];

function integerExpr(schema: SchemaObject, where: string): Expr {
  const [min, max, above, below] = BOUNDS.map((bound) => numberAt(schema, bound, where));
  if ([min, max, above, below].every((bound) => bound === undefined)) return INTEGER;
  const from = Math.max(Math.ceil(min ?? -1e18), Math.floor(above ?? -1e18) + 1);
  const to = Math.min(Math.floor(max ?? 1e18), Math.ceil(below ?? 1e18) - 1);
  const expr = integerRange(from, to);
  if (expr === NEVER) refuseGrammar(where, "no integer of up to 15 digits is within its bounds.");
  return expr;
}

function numberExpr(schema: SchemaObject, where: string): Expr {
  const bound = BOUNDS.find((keyword) => keyword in schema);
  if (bound !== undefined)
    refuseGrammar(`${where}.${bound}`, `"${bound}" is supported for "type": "integer" only.`);
  return NUMBER;
}

function isOfType(value: unknown, type: JsonType): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isSchemaObject(value);
  return typeof value === type;
}
