/** Failures on the way into a route: the framework's, the parser's and unknown addresses, as TroupeErrors. */
import { nearestName } from "../core/nearest-name.ts";
import type { ErrorCode } from "../errors/error-codes.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { Route } from "./http-exchange.ts";

/** Seconds after which a client may try again; load changes within a few steps. */
const RETRY_AFTER_SECONDS = "1";

const FRAMEWORK_CODES: Readonly<Record<string, { readonly code: ErrorCode; readonly message: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: "payload_too_large",
    message: "The body is larger than server.maxBodyBytes",
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: "unsupported_media_type",
    message: "The body must be JSON: send the header Content-Type: application/json",
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    code: "invalid_json",
    message: "The body is empty; it must be a JSON object",
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: "invalid_request",
    message: "The body is not as long as Content-Length says",
  },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: "invalid_json", message: "The body is not JSON" },
  FST_ERR_BAD_URL: { code: "not_found", message: "The address is not a valid URL" },
  FST_ERR_MAX_PARAM_LENGTH: { code: "not_found", message: "The address is too long" },
};

/** What any value thrown before or inside a route means; undefined when it is a bug. */
export function readHttpError(thrown: unknown): TroupeError | undefined {
  if (thrown instanceof TroupeError) return thrown;
  if (!(thrown instanceof Error)) return undefined;
  const { code = "", statusCode } = thrown as { readonly code?: string; readonly statusCode?: number };
  const known = FRAMEWORK_CODES[code];
  if (known !== undefined)
    return new TroupeError(known.code, `${known.message}. (${thrown.message})`, { cause: thrown });
  if (thrown instanceof SyntaxError && statusCode === 400)
    return new TroupeError("invalid_json", `The body is not JSON: ${thrown.message}.`, { cause: thrown });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new TroupeError("invalid_request", thrown.message, { cause: thrown });
  return undefined;
}

/** An address without a route. */
export function unknownRoute(method: string, path: string, routes: readonly Route[]): TroupeError {
  const near = nearestName(
    path,
    routes.map((route) => route.path),
  );
  const hint =
    near === undefined ? `Routes: ${routes.map((route) => route.path).join(", ")}.` : `Did you mean ${near}?`;
  return new TroupeError("not_found", `There is no ${method} ${path.slice(0, 200)}. ${hint}`);
}

/** Headers that tell a client what to do about an error. */
export function errorHeaders(error: TroupeError): Readonly<Record<string, string>> {
  const { allow } = error.details;
  return {
    ...(error.retryable && { "retry-after": RETRY_AFTER_SECONDS }),
    // The openai client retries every 5xx; a bug of ours will not go away by that.
    ...(error.status >= 500 && !error.retryable && { "x-should-retry": "false" }),
    ...(typeof allow === "string" && { allow }),
    ...(error.code === "unauthorized" && { "www-authenticate": "Bearer" }),
  };
}
