/** A TroupeError as OpenAI's error object, for HTTP bodies, SSE events and WebSocket messages alike. */
import type { ErrorCode } from "../../errors/error-codes.ts";
import type { TroupeError } from "../../errors/troupe-error.ts";

/** What stands under the key `error` on the wire. */
export interface ErrorObject {
  readonly message: string;
  /** OpenAI's coarse class of the error. */
  readonly type: "invalid_request_error" | "rate_limit_error" | "server_error";
  /** The field at fault, as the wire spells it. */
  readonly param: string | null;
  readonly code: string;
}

/** Where OpenAI has published a code of its own for the same thing, clients look for that one. */
const OPENAI_CODES: Partial<Record<ErrorCode, string>> = {
  prompt_too_long: "context_length_exceeded",
  rate_limited: "rate_limit_exceeded",
  unauthorized: "invalid_api_key",
};

/**
 * @example
 * ```ts
 * toErrorObject(new TroupeError("queue_full", "...")); // { message: "...", type: "rate_limit_error", param: null, code: "queue_full" }
 * ```
 */
export function toErrorObject(error: TroupeError): ErrorObject {
  return {
    message: error.message,
    type: typeOf(error.status),
    param: paramOf(error),
    code: OPENAI_CODES[error.code] ?? error.code,
  };
}

function typeOf(status: number): ErrorObject["type"] {
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** `details.param` as it is, else the path of a failed schema: `messages.0.role` reads `messages[0].role`. */
function paramOf(error: TroupeError): string | null {
  const { param, path } = error.details;
  if (typeof param === "string" && param !== "") return param;
  // Only a request's own fields: configuration errors and file errors carry paths too.
  if (error.status !== 400 || typeof path !== "string" || path === "") return null;
  return path.replace(/\.(\d+)(?=\.|$)/g, "[$1]");
}
