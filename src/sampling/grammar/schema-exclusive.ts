/** Whether no value can match two branches of `oneOf`; then it means the same as `anyOf`. When in doubt, no. */
import { type JsonType, type SchemaObject, typesOf } from "./schema-keywords.ts";
import { resolveRef } from "./schema-ref.ts";
import { isSchemaObject } from "./schema-values.ts";

/** @param root the document that references point into */
export function areExclusive(branches: readonly unknown[], root: unknown): boolean {
  return branches.every((a, index) => branches.slice(index + 1).every((b) => exclude(a, b, root)));
}

function exclude(first: unknown, second: unknown, root: unknown): boolean {
  const a = follow(first, root);
  const b = follow(second, root);
  if (a === null || b === null) return false;
  const valuesA = constantsOf(a);
  const valuesB = constantsOf(b);
  if (valuesA !== null && valuesB !== null) return !valuesA.some((value) => valuesB.includes(value));
  const typesA = declaredTypes(a);
  const typesB = declaredTypes(b);
  if (typesA === null || typesB === null) return false;
  const shared = typesA.filter((type) => typesB.some((other) => overlaps(type, other)));
  if (shared.length === 0) return true;
  return shared.length === 1 && shared[0] === "object" && haveExclusiveProperty(a, b, root);
}

/** A property that both require, of which no value fits both. */
function haveExclusiveProperty(a: SchemaObject, b: SchemaObject, root: unknown): boolean {
  const propertiesA = propertiesOf(a);
  const propertiesB = propertiesOf(b);
  return requiredOf(a).some(
    (name): name is string =>
      typeof name === "string" &&
      requiredOf(b).includes(name) &&
      Object.hasOwn(propertiesA, name) &&
      Object.hasOwn(propertiesB, name) &&
      exclude(propertiesA[name], propertiesB[name], root),
  );
}

/** The schema behind references; null for one that cannot be judged. */
function follow(schema: unknown, root: unknown): SchemaObject | null {
  let current = schema;
  for (let i = 0; i < 16 && isSchemaObject(current); i++) {
    if (current.$ref === undefined) return current;
    current = resolveRef(root, current.$ref, "oneOf");
  }
  return null;
}

/** Values as JSON, null when any number is possible. */
function constantsOf(schema: SchemaObject): string[] | null {
  if ("const" in schema) return [JSON.stringify(schema.const)];
  return Array.isArray(schema.enum) ? schema.enum.map((value) => JSON.stringify(value)) : null;
}

function declaredTypes(schema: SchemaObject): readonly JsonType[] | null {
  if (["anyOf", "oneOf", "allOf"].some((keyword) => keyword in schema)) return null;
  const constants = constantsOf(schema);
  if (constants === null) return typesOf(schema, "oneOf");
  return constants.map((json) => typeOfJson(JSON.parse(json)));
}

function typeOfJson(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as JsonType;
}

function overlaps(a: JsonType, b: JsonType): boolean {
  const isNumeric = (type: JsonType): boolean => type === "integer" || type === "number";
  return a === b || (isNumeric(a) && isNumeric(b));
}

function propertiesOf({ properties }: SchemaObject): SchemaObject {
  return isSchemaObject(properties) ? properties : {};
}

function requiredOf({ required }: SchemaObject): readonly unknown[] {
  return Array.isArray(required) ? required : [];
}
