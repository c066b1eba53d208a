/** The keywords of JSON schema that are known here, and to which type each belongs. Any other is refused by name. */

import { refuseGrammar } from "./refuse-grammar.ts";
import { listed } from "./schema-values.ts";

/** Types as JSON schema names them. */
export const JSON_TYPES = ["object", "array", "string", "integer", "number", "boolean", "null"] as const;
/** One of {@link JSON_TYPES}. */
export type JsonType = (typeof JSON_TYPES)[number];

/** A schema that is not true or false. */
export type SchemaObject = Readonly<Record<string, unknown>>;

/** They say nothing about what is valid. */
const ANNOTATIONS = [
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
  "$comment",
  "$schema",
  "$id",
  "$defs",
  "definitions",
];

/** Keywords by the type whose values they constrain. */
const KEYWORDS_OF_TYPES: Readonly<Record<string, readonly JsonType[]>> = {
  properties: ["object"],
  required: ["object"],
  additionalProperties: ["object"],
  items: ["array"],
  prefixItems: ["array"],
  minItems: ["array"],
  maxItems: ["array"],
  uniqueItems: ["array"],
  minLength: ["string"],
  maxLength: ["string"],
  pattern: ["string"],
  format: ["string"],
  minimum: ["integer", "number"],
  maximum: ["integer", "number"],
  exclusiveMinimum: ["integer", "number"],
  exclusiveMaximum: ["integer", "number"],
};

/** Each of them decides alone what is valid. */
export const DECIDERS = ["$ref", "const", "enum", "anyOf", "oneOf", "allOf"] as const;

/** @throws TroupeError `invalid_request` naming the first keyword that is not supported, and where it stands */
export function checkKeywords(schema: SchemaObject, where: string): void {
  const decider = DECIDERS.find((keyword) => Object.hasOwn(schema, keyword));
  for (const keyword of Object.keys(schema)) {
    if (keyword === "type" || keyword === decider || ANNOTATIONS.includes(keyword)) continue;
    const isKnown =
      Object.hasOwn(KEYWORDS_OF_TYPES, keyword) || (DECIDERS as readonly string[]).includes(keyword);
    if (!isKnown)
      refuseGrammar(
        `${where}.${keyword}`,
        `the JSON schema keyword "${keyword}" is not supported. Leave it out.`,
      );
    if (decider !== undefined)
      refuseGrammar(
        `${where}.${keyword}`,
        `"${keyword}" beside "${decider}" is not supported. Move it into the branches.`,
      );
  }
}

/**
 * The types that a schema without a deciding keyword is about: its `type`, else those its keywords speak of.
 *
 * @returns null when it says nothing: any value
 */
export function typesOf(schema: SchemaObject, where: string): readonly JsonType[] | null {
  if (schema.type !== undefined) {
    const given = listed(schema.type);
    const unknown = given.find((type) => !(JSON_TYPES as readonly unknown[]).includes(type));
    if (given.length === 0 || unknown !== undefined)
      refuseGrammar(
        `${where}.type`,
        `${JSON.stringify(schema.type)} is no type; types are ${JSON_TYPES.join(", ")}.`,
      );
    return [...new Set(given as JsonType[])];
  }
  const named = Object.keys(schema).flatMap((keyword) =>
    Object.hasOwn(KEYWORDS_OF_TYPES, keyword) ? (KEYWORDS_OF_TYPES[keyword]!.at(-1) ?? []) : [],
  );
  return named.length === 0 ? null : [...new Set(named)];
}
