/** Reads the values of schema keywords; whatever is of the wrong type is refused by path. */
import { refuseGrammar } from "./refuse-grammar.ts";
import type { SchemaObject } from "./schema-keywords.ts";

/** A value as a list of one, a list as it is. */
export function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** A schema is an object; true and false stand for anything and nothing. */
export function isSchemaObject(value: unknown): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A whole number >= 0; undefined when the keyword is absent. */
export function countAt(schema: SchemaObject, keyword: string, where: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > 1_000_000)
    refuseGrammar(`${where}.${keyword}`, `must be a whole number from 0 to 1000000 (got ${show(value)}).`);
  return value as number;
}

/** Any number; undefined when absent. */
export function numberAt(schema: SchemaObject, keyword: string, where: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value))
    refuseGrammar(`${where}.${keyword}`, `must be a number (got ${show(value)}).`);
  return value;
}

/** A string; undefined when absent. */
export function stringAt(schema: SchemaObject, keyword: string, where: string): string | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== "string")
    refuseGrammar(`${where}.${keyword}`, `must be a string (got ${show(value)}).`);
  return value;
}

/** A list; undefined when absent. */
export function listAt(schema: SchemaObject, keyword: string, where: string): readonly unknown[] | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) refuseGrammar(`${where}.${keyword}`, `must be a list (got ${show(value)}).`);
  return value;
}

function show(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}
