/** The form a request wants its answer in: OpenAI's `response_format` and vLLM's guided decoding. One of them at most. */
import { isNestedTooDeep, MAX_NESTING } from "../../core/nesting.ts";
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GrammarSpec } from "../../sampling/grammar/grammar-spec.ts";

/** Shape of the fields, to be spread into a format's own object. */
export const answerFormatShape = {
  response_format: z.looseObject({ type: z.string() }).nullish(),
  guided_json: z.unknown().optional(),
  guided_regex: z.string().nullish(),
  guided_choice: z.array(z.string().min(1)).min(1).max(1000).nullish(),
  guided_grammar: z.string().nullish(),
  structured_outputs: z
    .strictObject({
      json: z.unknown().optional(),
      regex: z.string().nullish(),
      choice: z.array(z.string().min(1)).min(1).max(1000).nullish(),
      grammar: z.string().nullish(),
      json_object: z.boolean().nullish(),
    })
    .nullish(),
} as const;

const formatObject = z.object(answerFormatShape);
/** The fields of a parsed request. */
export type WireAnswerFormat = z.infer<typeof formatObject>;

/**
 * Null leaves the answer free. Schemas and patterns are read later, by `compileGrammar`.
 *
 * @throws TroupeError `invalid_request` or `unsupported`, naming the field
 */
export function readAnswerFormat(wire: WireAnswerFormat): GrammarSpec | null {
  const outputs = wire.structured_outputs;
  const specs = [
    readResponseFormat(wire.response_format),
    ...guided(
      wire.guided_json,
      wire.guided_regex,
      wire.guided_choice,
      wire.guided_grammar,
      (name) => `guided_${name}`,
    ),
    ...guided(
      outputs?.json,
      outputs?.regex,
      outputs?.choice,
      outputs?.grammar,
      (name) => `structured_outputs.${name}`,
    ),
    outputs?.json_object ? ({ kind: "json_object", param: "structured_outputs.json_object" } as const) : null,
  ].filter((spec) => spec !== null);
  const [first, second] = specs;
  if (second !== undefined)
    throw invalid(second.param, `"${first!.param}" gives the form of the answer already; send one of them`);
  return first ?? null;
}

function guided(
  json: unknown,
  regex: string | null | undefined,
  choice: readonly string[] | null | undefined,
  grammar: string | null | undefined,
  nameOf: (name: string) => string,
): (GrammarSpec | null)[] {
  return [
    json == null
      ? null
      : { kind: "json_schema", param: nameOf("json"), schema: schemaOf(json, nameOf("json")) },
    regex == null ? null : { kind: "regex", param: nameOf("regex"), pattern: regex },
    choice == null ? null : { kind: "choice", param: nameOf("choice"), choices: choice },
    grammar == null ? null : { kind: "ebnf", param: nameOf("grammar"), source: grammar },
  ];
}

/** vLLM takes a schema as text too. */
function schemaOf(json: unknown, param: string): unknown {
  if (typeof json !== "string") return json;
  let schema: unknown;
  try {
    schema = JSON.parse(json);
  } catch {
    throw invalid(param, "a JSON schema is expected, as an object or as its text");
  }
  if (isNestedTooDeep(schema)) throw invalid(param, `the schema is nested deeper than ${MAX_NESTING} levels`);
  return schema;
}

/** `text.format` of a response: what `response_format` is in chat, with name and schema one level up. */
export function readTextFormat(
  format: { readonly type: string; readonly schema?: unknown } | null | undefined,
): GrammarSpec | null {
  const param = "text.format";
  if (format == null || format.type === "text") return null;
  if (format.type === "json_object") return { kind: "json_object", param };
  if (format.type !== "json_schema") throw unknownFormat(param, format.type);
  if (format.schema == null)
    throw invalid(
      `${param}.schema`,
      'a schema is expected: {"type": "json_schema", "name": "...", "schema": {...}}',
    );
  return { kind: "json_schema", param: `${param}.schema`, schema: format.schema };
}

function readResponseFormat(format: WireAnswerFormat["response_format"]): GrammarSpec | null {
  const param = "response_format";
  if (format == null || format.type === "text") return null;
  if (format.type === "json_object") return { kind: "json_object", param };
  if (format.type !== "json_schema") throw unknownFormat(param, format.type);
  const { json_schema: named } = format;
  const schema = (typeof named === "object" && named !== null ? named : {}) as { readonly schema?: unknown };
  if (schema.schema == null)
    throw invalid(
      `${param}.json_schema.schema`,
      'a schema is expected: {"json_schema": {"name": "...", "schema": {...}}}',
    );
  return { kind: "json_schema", param: `${param}.json_schema.schema`, schema: schema.schema };
}

function unknownFormat(param: string, type: string): TroupeError {
  const message = `"${param}" of type "${type}" is not supported by this server; "text", "json_object" and "json_schema" are.`;
  return new TroupeError("unsupported", message, { details: { param } });
}

function invalid(param: string, problem: string): TroupeError {
  return new TroupeError("invalid_request", `"${param}": ${problem}.`, { details: { param } });
}
