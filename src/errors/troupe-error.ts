/**
 * The one error class of Troupe. Callers decide on `code` and the two flags, never on the message.
 *
 * A brand instead of the prototype chain makes `instanceof` hold across threads and duplicate copies of the package.
 */
import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

const brand = Symbol.for("troupe.error");

/** What an error carries besides its message. */
export interface TroupeErrorOptions {
  /** The error or value that led to this one. */
  readonly cause?: unknown;
  /** Plain data for programs: the offending value, the limit, a path. Survives the thread boundary. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * An error with a stable `code` from {@link ERROR_CODES}.
 *
 * @example
 * ```ts
 * import { TroupeError } from "troupe";
 * const error = new TroupeError("prompt_too_long", "The prompt has 9000 tokens; the limit is 2048. Shorten it.", {
 *   details: { numTokens: 9000, limit: 2048 },
 * });
 * console.log(error.code, error.retryable); // prompt_too_long false
 * ```
 */
export class TroupeError extends Error {
  override readonly name = "TroupeError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly [brand] = true;

  constructor(code: ErrorCode, message: string, options: TroupeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** True when the same call may succeed later without a change. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  /** True when the cause is load: a limit on work in flight was reached. */
  get overloaded(): boolean {
    return ERROR_CODES[this.code].overloaded;
  }

  /** The HTTP status the edge answers with. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && brand in value;
  }
}

/**
 * Throws `internal` when an invariant of ours does not hold: a bug in Troupe, never a caller's mistake.
 *
 * @throws TroupeError `internal`
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new TroupeError("internal", `Invariant broken: ${message}`);
}

/** Gives any thrown value back as a TroupeError; foreign errors become `internal` with the original as cause. */
export function toTroupeError(value: unknown): TroupeError {
  if (value instanceof TroupeError) return value;
  const message = value instanceof Error ? value.message : String(value);
  return new TroupeError("internal", message, { cause: value });
}
