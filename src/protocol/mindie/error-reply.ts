/** Failures as MindIE tells them: `{"error", "error_type"}`, with its own choice of statuses. */
import type { TroupeError } from "../../errors/troupe-error.ts";

const TYPES: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  404: "NotFoundError",
  422: "Input Validation Error",
  424: "Generation Error",
  429: "Too Many Requests",
  500: "Incomplete Generation",
  503: "Service Unavailable",
};

/** Statuses of this server that MindIE has others for. */
const STATUSES: Readonly<Record<number, number>> = { 400: 422, 415: 422, 499: 424, 504: 500 };

/** The body of a failure. */
export interface MindieError {
  readonly error: string;
  readonly error_type: string;
}

/**
 * What a body that does not fit, a server that stops and a bug come to: 422, 503, 500.
 *
 * @example
 * ```ts
 * toMindieError(new TroupeError("not_ready", "The server is stopping.")).status; // 503
 * ```
 */
export function toMindieError(error: TroupeError): { readonly status: number; readonly body: MindieError } {
  const status = STATUSES[error.status] ?? error.status;
  return { status, body: { error: error.message, error_type: TYPES[status] ?? "Bad Request" } };
}
