/**
 * The adapter for zod: schemas are written with `z` from here, and `parse` turns a failed one into a TroupeError that
 * names the path, the value and, for an unknown key, the nearest known one.
 */
import { inspect } from "node:util";
import { type ZodType, z } from "zod";
import type { ErrorCode } from "../errors/error-codes.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { issueText, listOf, nounFor } from "./issue-text.ts";
import { nearestName } from "./nearest-name.ts";
import { isNestedTooDeep, MAX_NESTING } from "./nesting.ts";

export type { ZodType };
export { z };

/** More are counted, not described: what comes from outside may have a problem in each of a million entries. */
const MAX_PROBLEMS = 8;

/** How a failed parse is reported. */
export interface ParseOptions {
  /** The code of the error thrown. */
  readonly code: ErrorCode;
  /** What was parsed, as the message begins: `configs/a.yaml`, `request body`. */
  readonly what: string;
}

/**
 * Parses an outside value once into a typed one.
 *
 * @throws TroupeError with `options.code`; `details.path` is the dotted path of the first problem.
 */
export function parse<T>(schema: ZodType<T>, value: unknown, options: ParseOptions): T {
  if (isNestedTooDeep(value)) throw nestedTooDeep(value, options);
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const { issues } = result.error;
  const problems = issues.slice(0, MAX_PROBLEMS).map((issue) => describeIssue(schema, value, issue));
  const first = problems[0];
  const numMore = issues.length - problems.length;
  const text =
    problems.map((problem) => problem.text).join("; ") + (numMore > 0 ? `; and ${numMore} more` : "");
  throw new TroupeError(options.code, `${options.what}: ${text}`, { details: { path: first?.path ?? "" } });
}

function nestedTooDeep(value: unknown, { code, what }: ParseOptions): TroupeError {
  const fields = Array.isArray(value) ? [] : Object.entries(value as object);
  const path = fields.find(([, field]) => isNestedTooDeep(field, MAX_NESTING - 1))?.[0] ?? "";
  const text = `${path === "" ? "" : `"${path}": `}nested deeper than ${MAX_NESTING} lists and objects in each other`;
  return new TroupeError(code, `${what}: ${text}`, { details: { path } });
}

interface Problem {
  readonly path: string;
  readonly text: string;
}

function describeIssue(schema: ZodType, value: unknown, issue: z.core.$ZodIssue): Problem {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") return unknownKeys(schema, path, issue);
  const branch = issue.code === "invalid_union" ? likeliestBranch(issue.errors) : undefined;
  if (issue.code === "invalid_union" && branch !== undefined) {
    const inner = branch[0]!;
    return describeIssue(schema, value, { ...inner, path: [...issue.path, ...inner.path] });
  }
  if (issue.code === "invalid_key") {
    const reason = issue.issues[0]?.message ?? "cannot be a key here";
    return { path, text: `"${path}": the key ${reason}` };
  }
  const given = valueAt(value, issue.path);
  const text =
    issue.code === "invalid_union" && issue.errors.length > 0
      ? `must be ${alternatives(issue.errors)}`
      : issueText(issue, given);
  const got = given === undefined ? "" : ` (got ${show(given)})`;
  return { path, text: `${path === "" ? "" : `"${path}": `}${text}${got}` };
}

function unknownKeys(schema: ZodType, path: string, issue: z.core.$ZodIssueUnrecognizedKeys): Problem {
  const known = keysAt(schema, issue.path);
  const texts = issue.keys.map((key) => {
    const near = nearestName(key, known) ?? nearestElsewhere(schema, key);
    const hint = near === undefined ? `known keys: ${known.join(", ")}` : `did you mean "${near}"?`;
    return `unknown key "${path === "" ? key : `${path}.${key}`}" (${hint})`;
  });
  return { path: [path, issue.keys[0]].filter(Boolean).join("."), text: texts.join("; ") };
}

type Branches = readonly (readonly z.core.$ZodIssue[])[];

/** The branch of a union that was meant: the one whose own type matched and that has the fewest problems inside. */
function likeliestBranch(branches: Branches): readonly z.core.$ZodIssue[] | undefined {
  return branches
    .filter(
      (issues) => issues.length > 0 && issues.every((issue) => issue.path.length > 0 || !isKindIssue(issue)),
    )
    .sort((a, b) => a.length - b.length)[0];
}

function isKindIssue(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" || issue.code === "invalid_value";
}

function alternatives(branches: Branches): string {
  const nouns = branches.map(([issue]) =>
    issue?.code === "invalid_value"
      ? listOf(issue.values)
      : nounFor(issue?.code === "invalid_type" ? issue.expected : ""),
  );
  return [...new Set(nouns)].join(", or ");
}

/** Where an object further down has a key of that very name: `port` at the top is `server.port`. */
function nearestElsewhere(schema: ZodType, key: string): string | undefined {
  const top = unwrap(schema);
  if (!(top instanceof z.ZodObject)) return undefined;
  const section = Object.entries(top.shape).find(([, part]) => keysOf(part).includes(key));
  return section === undefined ? undefined : `${section[0]}.${key}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) current = (current as Record<PropertyKey, unknown> | undefined)?.[key];
  return current;
}

/** Known keys of the object schema at `path`; wrappers (optional, default, pipe) are looked through. */
function keysAt(schema: ZodType, path: readonly PropertyKey[]): string[] {
  let parts: unknown[] = [schema];
  for (const key of path) parts = parts.flatMap(optionsOf).flatMap((part) => partAt(part, key));
  return [...new Set(parts.flatMap(keysOf))];
}

function keysOf(schema: unknown): string[] {
  return optionsOf(schema).flatMap((part) => (part instanceof z.ZodObject ? Object.keys(part.shape) : []));
}

function partAt(schema: unknown, key: PropertyKey): unknown[] {
  if (schema instanceof z.ZodObject) return [schema.shape[String(key)]];
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  return [];
}

/** The schema without wrappers; for a union, its options. */
function optionsOf(schema: unknown): unknown[] {
  const plain = unwrap(schema);
  return plain instanceof z.ZodUnion ? plain.options.flatMap(optionsOf) : [plain];
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodReadonly) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  return schema;
}

/** Short whatever the value: an outside value may be large, deep or circular. */
function show(value: unknown): string {
  const isNested = typeof value === "object" && value !== null;
  const text = isNested
    ? inspect(value, {
        depth: 1,
        maxArrayLength: 4,
        maxStringLength: 40,
        breakLength: Number.POSITIVE_INFINITY,
      })
    : (JSON.stringify(typeof value === "string" ? value.slice(0, 100) : value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
