/** Words for a failed check: what must hold, in the reader's terms instead of the schema library's. */
import { nearestName } from "./nearest-name.ts";

/** The part of a schema library's issue that the wording needs. */
export interface CheckIssue {
  readonly code?: string | undefined;
  readonly message: string;
  readonly expected?: unknown;
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly origin?: string;
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly inclusive?: boolean | undefined;
}

const NOUNS: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a string",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

const UNITS: Readonly<Record<string, string>> = { string: "characters", array: "entries" };

/** Messages that the library wrote; a schema's own message is kept as it is. */
const DEFAULT_MESSAGE = /^(?:Invalid (?:input: expected|input$|option|discriminator)|Too (?:small|big))/;

/**
 * What `value` should have been, and a hint where the mistake is a usual one.
 *
 * @example
 * ```ts
 * issueText({ code: "invalid_type", expected: "number", message: "Invalid input: expected number" }, "8000");
 * // 'must be a number; write it without quotes'
 * ```
 */
export function issueText(issue: CheckIssue, value: unknown): string {
  if (!DEFAULT_MESSAGE.test(issue.message)) return lowerFirst(issue.message);
  if (issue.code === "invalid_type") {
    const wanted = nounFor(issue.expected);
    return value === undefined
      ? `is missing; it must be ${wanted}`
      : `must be ${wanted}${typeHint(issue, value)}`;
  }
  if (issue.code === "too_small")
    return sizeText(issue, issue.minimum, issue.inclusive ? "at least" : "more than");
  if (issue.code === "too_big")
    return sizeText(issue, issue.maximum, issue.inclusive ? "at most" : "less than");
  const choices = issue.values ?? issue.options;
  return choices === undefined ? lowerFirst(issue.message) : choiceText(choices, value);
}

/** The noun for an expected type: `a whole number`. */
export function nounFor(expected: unknown): string {
  return NOUNS[String(expected)] ?? String(expected);
}

/** `"a", "b" or "c"` */
export function listOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value) ?? String(value));
  const last = texts.pop() ?? "";
  return texts.length === 0 ? last : `${texts.join(", ")} or ${last}`;
}

function choiceText(choices: readonly unknown[], value: unknown): string {
  const names = choices.filter((choice) => typeof choice === "string");
  const near = typeof value === "string" ? nearestName(value, names) : undefined;
  return `must be ${listOf(choices)}${near === undefined ? "" : `; did you mean "${near}"?`}`;
}

function sizeText(issue: CheckIssue, limit: unknown, comparison: string): string {
  const unit = UNITS[issue.origin ?? ""];
  if (unit === undefined) return `must be ${comparison} ${limit}`;
  if (comparison === "at least" && limit === 1) return "must not be empty";
  return `must have ${comparison} ${limit} ${unit}`;
}

function typeHint(issue: CheckIssue, value: unknown): string {
  if (typeof value !== "string") return "";
  const isNumeric = value.trim() !== "" && Number.isFinite(Number(value));
  if ((issue.expected === "number" || issue.expected === "int") && isNumeric)
    return "; write it without quotes";
  if (issue.expected === "boolean" && /^(?:true|false|yes|no|on|off)$/i.test(value)) {
    return "; write true or false, without quotes";
  }
  if (issue.expected === "array") return "; write it as a list";
  return "";
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
