/**
 * Values as clients of Python servers write them: pydantic v1 took "False", "yes" and "1" for booleans and "55" for a
 * number, and samples in the field's documentation do write them so.
 */
import { z } from "../core/schema.ts";

const TRUE = new Set(["1", "on", "t", "true", "y", "yes"]);
const FALSE = new Set(["0", "off", "f", "false", "n", "no"]);

function readBoolean(value: unknown): unknown {
  const word = typeof value === "string" ? value.toLowerCase() : String(value);
  if (typeof value !== "string" && value !== 0 && value !== 1) return value;
  return TRUE.has(word) ? true : FALSE.has(word) ? false : value;
}

function readNumber(value: unknown): unknown {
  return typeof value === "string" && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)
    ? Number(value)
    : value;
}

/** true, 0, "False", "yes", ... */
export const looseBoolean = z.preprocess(
  readBoolean,
  z.boolean({ error: "must be true or false (or 0, 1, yes, no, on, off)" }),
);

/** 55, "55" */
export const looseInteger = z.preprocess(readNumber, z.int());

/** 0.5, "0.5" */
export const looseNumber = z.preprocess(readNumber, z.number());
