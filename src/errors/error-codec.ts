/**
 * Errors as plain data, for crossing a thread boundary. Structured clone drops `code` and own fields of errors,
 * `errors` of an AggregateError, and all of a DOMException; this keeps them.
 *
 * Encoding and decoding never throw, whatever was thrown, and what they give can always be cloned.
 */
import { types } from "node:util";
import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";
import { toPlainData } from "./plain-data.ts";
import { TroupeError } from "./troupe-error.ts";

/** An error, or any other thrown value, as plain data. */
export type EncodedError = EncodedValue | EncodedThrowable;

/** Something thrown that is not an error. */
export interface EncodedValue {
  readonly kind: "value";
  readonly value: unknown;
}

/** An error of any class. */
export interface EncodedThrowable {
  readonly kind: "troupe" | "native" | "dom";
  readonly name: string;
  readonly message: string;
  readonly stack: string | null;
  /** A TroupeError's code. */
  readonly code?: string;
  /** Own fields: `details` of a TroupeError; code, errno, path, ... of a system error. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause?: EncodedError;
  /** Of an AggregateError. */
  readonly errors?: readonly EncodedError[];
}

/** Causes deeper than this are cut off; a cycle of causes ends here too. */
const MAX_DEPTH = 8;
const MAX_AGGREGATED = 32;
const STANDARD_FIELDS = new Set(["name", "message", "stack", "cause", "errors", "details"]);

/**
 * Makes plain data of anything thrown. Never throws.
 *
 * @example
 * ```ts
 * port.postMessage(encodeError(new TroupeError("queue_full", "The queue is full.", { details: { limit: 8 } })));
 * ```
 */
export function encodeError(thrown: unknown): EncodedError {
  try {
    return encode(thrown, MAX_DEPTH);
  } catch {
    return { kind: "value", value: "An error that cannot be read was thrown." };
  }
}

function encode(thrown: unknown, depth: number): EncodedError {
  if (!isErrorLike(thrown)) return { kind: "value", value: toPlainData(thrown) };
  const isTroupe = thrown instanceof TroupeError;
  const kind = isTroupe ? "troupe" : isDomException(thrown) ? "dom" : "native";
  const code = isTroupe ? read(thrown, "code") : undefined;
  const cause = read(thrown, "cause");
  const errors = read(thrown, "errors");
  const stack = read(thrown, "stack");
  return {
    kind,
    name: text(read(thrown, "name"), "Error"),
    message: text(read(thrown, "message"), ""),
    stack: typeof stack === "string" ? stack : null,
    fields: isTroupe ? record(toPlainData(read(thrown, "details"))) : kind === "dom" ? {} : ownFields(thrown),
    ...(typeof code === "string" && { code }),
    ...(cause !== undefined && depth > 0 && { cause: encode(cause, depth - 1) }),
    ...(Array.isArray(errors) && depth > 0 && { errors: encodeAll(errors, depth - 1) }),
  };
}

function encodeAll(errors: readonly unknown[], depth: number): EncodedError[] {
  return errors.slice(0, MAX_AGGREGATED).map((error) => encode(error, depth));
}

/** A TroupeError of another copy of the package counts by its brand, an error of another realm by its tag. */
function isErrorLike(value: unknown): value is object {
  if (value instanceof TroupeError || value instanceof Error) return true;
  return typeof value === "object" && value !== null && (types.isNativeError(value) || isDomException(value));
}

function isDomException(value: object): boolean {
  return value instanceof DOMException;
}

function read(target: object, key: string): unknown {
  try {
    return (target as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function ownFields(error: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const key of Object.keys(error)) {
    if (!STANDARD_FIELDS.has(key)) fields[key] = toPlainData(read(error, key));
  }
  return fields;
}

/**
 * Makes the error again: a TroupeError with its code and details, a native error of its class, an AggregateError with
 * its errors, a DOMException; anything that was thrown without being an error comes back as plain data. Never throws.
 *
 * @example
 * ```ts
 * port.on("message", (encoded) => reject(decodeError(encoded)));
 * ```
 */
export function decodeError(encoded: EncodedError): unknown {
  try {
    return decode(encoded, MAX_DEPTH);
  } catch (error) {
    return new TroupeError("internal", "An encoded error could not be decoded.", { cause: error });
  }
}

function decode(encoded: EncodedError, depth: number): unknown {
  if (encoded.kind === "value") return encoded.value;
  const cause = encoded.cause === undefined || depth === 0 ? undefined : decode(encoded.cause, depth - 1);
  const error = encoded.kind === "troupe" ? decodeTroupe(encoded, cause) : decodeOther(encoded, cause, depth);
  if (encoded.stack !== null) define(error, "stack", encoded.stack);
  return error;
}

function decodeTroupe(encoded: EncodedThrowable, cause: unknown): TroupeError {
  const options = { details: encoded.fields, ...(cause !== undefined && { cause }) };
  return new TroupeError(isCode(encoded.code) ? encoded.code : "internal", encoded.message, options);
}

function isCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERROR_CODES, code);
}

const NATIVE_CLASSES: Readonly<Record<string, new (message: string, options?: ErrorOptions) => Error>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

function decodeOther(encoded: EncodedThrowable, cause: unknown, depth: number): Error {
  if (encoded.kind === "dom") return domException(encoded, cause);
  const options = cause === undefined ? {} : { cause };
  const error = nativeError(encoded, options, depth);
  if (error.name !== encoded.name) define(error, "name", encoded.name);
  for (const [key, value] of Object.entries(encoded.fields)) define(error, key, value, true);
  return error;
}

function nativeError(encoded: EncodedThrowable, options: ErrorOptions, depth: number): Error {
  if (encoded.errors !== undefined) {
    const errors = encoded.errors.map((error) => decode(error, Math.max(0, depth - 1)));
    return Reflect.construct(AggregateError, [errors, encoded.message, options]) as Error;
  }
  const Class = Object.hasOwn(NATIVE_CLASSES, encoded.name) ? NATIVE_CLASSES[encoded.name]! : Error;
  return Reflect.construct(Class, [encoded.message, options]) as Error;
}

function domException(encoded: EncodedThrowable, cause: unknown): Error {
  const exception = Reflect.construct(DOMException, [encoded.message, encoded.name]) as Error;
  if (cause !== undefined) define(exception, "cause", cause);
  return exception;
}

function define(target: object, key: string, value: unknown, enumerable = false): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true });
}
