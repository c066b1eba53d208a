/**
 * The adapter for zod: schemas are written with `z` from here, and `parse` turns a failed one into a TroupeError that
 * names the path, the value and, for an unknown key, the nearest known one.
 */
import { type ZodType, z } from "zod";
import type { ErrorCode } from "../errors/error-codes.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { nearestName } from "./nearest-name.ts";

export { z };
export type { ZodType };

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
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => describeIssue(schema, value, issue));
  const first = problems[0];
  const text = problems.map((problem) => problem.text).join("; ");
  throw new TroupeError(options.code, `${options.what}: ${text}`, { details: { path: first?.path ?? "" } });
}

interface Problem {
  readonly path: string;
  readonly text: string;
}

function describeIssue(schema: ZodType, value: unknown, issue: z.core.$ZodIssue): Problem {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, issue.path);
    const texts = issue.keys.map((key) => {
      const near = nearestName(key, known);
      const hint = near === undefined ? `known keys: ${known.join(", ")}` : `did you mean "${near}"?`;
      return `unknown key "${path === "" ? key : `${path}.${key}`}" (${hint})`;
    });
    return { path: [path, issue.keys[0]].filter(Boolean).join("."), text: texts.join("; ") };
  }
  const got = show(valueAt(value, issue.path));
  const where = path === "" ? "" : `"${path}": `;
  return { path, text: `${where}${lowerFirst(issue.message)} (got ${got})` };
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) current = (current as Record<PropertyKey, unknown> | undefined)?.[key];
  return current;
}

/** Known keys of the object schema at `path`; wrappers (optional, default, pipe) are looked through. */
function keysAt(schema: ZodType, path: readonly PropertyKey[]): string[] {
  let current: unknown = unwrap(schema);
  for (const key of path) {
    if (current instanceof z.ZodObject) current = unwrap(current.shape[String(key)]);
    else if (current instanceof z.ZodArray) current = unwrap(current.element);
    else return [];
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPrefault) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  return schema;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
