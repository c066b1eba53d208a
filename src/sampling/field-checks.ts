/** Checks of single values, each throwing `invalid_request` with the field's name, the value and what it may be. */
import { TroupeError } from "../errors/troupe-error.ts";
import type { NumberRange } from "./sampling-ranges.ts";

/**
 * @param limits more details for programs
 * @throws TroupeError `invalid_request`; details: param, value (as text unless primitive) and the limits
 */
export function refuse(
  param: string,
  value: unknown,
  requirement: string,
  limits: Readonly<Record<string, unknown>> = {},
): never {
  const details = { param, value: isPlain(value) ? value : show(value), ...limits };
  throw new TroupeError("invalid_request", `"${param}" is ${show(value)}; it must be ${requirement}.`, {
    details,
  });
}

/** @throws TroupeError `invalid_request` unless the value is a number in the range */
export function checkNumber(param: string, value: unknown, range: NumberRange): void {
  if (value === null && range.isNullable) return;
  const isInside =
    typeof value === "number" &&
    (range.isInteger ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
    (range.isMinExcluded ? value > range.min : value >= range.min) &&
    value <= range.max;
  if (!isInside) refuse(param, value, describe(range), { min: range.min, max: range.max });
}

/** @throws TroupeError `invalid_request` unless the value is true or false */
export function checkBoolean(param: string, value: unknown): void {
  if (typeof value !== "boolean") refuse(param, value, "true or false");
}

/** @throws TroupeError `invalid_request` unless the value is a list of at most `max` entries */
export function checkList(param: string, value: unknown, max: number): asserts value is readonly unknown[] {
  if (!Array.isArray(value) || value.length > max) {
    refuse(param, value, `a list of at most ${max} entries`, { max });
  }
}

function describe({ min, max, isMinExcluded, isInteger, isNullable }: NumberRange): string {
  const kind = isInteger ? "an integer" : "a number";
  const isOpen = Math.abs(max) === Number.MAX_SAFE_INTEGER;
  const lower = isMinExcluded ? `above ${min}` : `of at least ${min}`;
  const range = isOpen ? lower : `${lower} and at most ${max}`;
  return `${kind} ${range}${isNullable ? ", or null" : ""}`;
}

/** A value in a message: short, and safe for any value a caller may pass. */
function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  }
  if (Array.isArray(value)) return `a list of ${value.length} entries`;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

/** Whether the value may travel in an error's details as it is. */
function isPlain(value: unknown): boolean {
  return value === null || ["string", "number", "boolean", "undefined"].includes(typeof value);
}
