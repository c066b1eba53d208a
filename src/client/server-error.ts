/** What servers say went wrong, as errors of this package. Runs in browsers too. */
import { ERROR_CODES, type ErrorCode } from "../errors/error-codes.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/** Codes that go over the wire under OpenAI's names. */
const OPENAI_CODES: Readonly<Record<string, ErrorCode>> = {
  context_length_exceeded: "prompt_too_long",
  rate_limit_exceeded: "rate_limited",
  invalid_api_key: "unauthorized",
};

const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  408: "request_timeout",
  413: "payload_too_large",
  429: "queue_full",
  502: "peer_unreachable",
  503: "not_ready",
  504: "deadline_exceeded",
};

/** @param code as a server sent it, if it did; unknown ones fall back to what the status says */
export function toServerError(code: unknown, message: unknown, status = 500): TroupeError {
  const text =
    typeof message === "string" && message !== "" ? message : `The server answered with status ${status}.`;
  return new TroupeError(readCode(code) ?? codeOf(status), text, { details: { status, code } });
}

/** The error of a response that is none of 2xx; its body may be any server's or any proxy's. */
export async function readErrorResponse(response: Response): Promise<TroupeError> {
  const text = await response.text();
  const body = parseObject(text);
  const error = body === null ? text.slice(0, 500) : body.error;
  const inner = asObject(error);
  if (inner !== null) return toServerError(inner.code, inner.message, response.status);
  return toServerError(body?.error_type, error, response.status);
}

/** JSON that is an object; null for anything else. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return asObject(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** @returns null for what is no object */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : null;
}

function readCode(code: unknown): ErrorCode | null {
  if (typeof code !== "string") return null;
  if (Object.hasOwn(ERROR_CODES, code)) return code as ErrorCode;
  return OPENAI_CODES[code] ?? null;
}

function codeOf(status: number): ErrorCode {
  return STATUS_CODES[status] ?? (status >= 400 && status < 500 ? "invalid_request" : "internal");
}
