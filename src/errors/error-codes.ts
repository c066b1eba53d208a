/**
 * Every error code of Troupe with what a caller may conclude from it. The table in docs/errors.md is made from this.
 */

/** What one code means to a caller. */
export interface ErrorCodeInfo {
  /** HTTP status at the edge. */
  readonly status: number;
  /** The same call may succeed later without a change. */
  readonly retryable: boolean;
  /** A limit on work in flight was reached. */
  readonly overloaded: boolean;
  /** One line for the docs. */
  readonly meaning: string;
}

const permanent = (status: number, meaning: string): ErrorCodeInfo => ({
  status,
  retryable: false,
  overloaded: false,
  meaning,
});
const retryable = (status: number, meaning: string): ErrorCodeInfo => ({
  status,
  retryable: true,
  overloaded: false,
  meaning,
});
const overloaded = (status: number, meaning: string): ErrorCodeInfo => ({
  status,
  retryable: true,
  overloaded: true,
  meaning,
});

/** All codes. Adding one here is all it takes; never reuse or rename a published one. */
export const ERROR_CODES = {
  // requests
  invalid_request: permanent(400, "A field of the request is missing, of the wrong type or out of range."),
  invalid_json: permanent(400, "The body or message is not JSON."),
  prompt_too_long: permanent(400, "Prompt and answer can never fit the context or the KV pages."),
  unsupported: permanent(400, "A known feature that this server, model or build does not have."),
  unauthorized: permanent(401, "No or a wrong API key."),
  forbidden: permanent(403, "Web pages of this origin, or anybody, may not do that here."),
  model_not_found: permanent(404, "No model of that name is served here."),
  not_found: permanent(404, "No such route or object."),
  method_not_allowed: permanent(405, "The route exists, but not for this method."),
  request_timeout: retryable(408, "The request did not arrive in time."),
  payload_too_large: permanent(413, "Body or message over the size limit."),
  unsupported_media_type: permanent(415, "The body's content type is not application/json."),
  cancelled: permanent(499, "The caller went away or cancelled."),
  // load and life cycle
  queue_full: overloaded(429, "The waiting queue is at its limit; retry after a while."),
  rate_limited: overloaded(429, "A limit on connections or on one client's requests is reached."),
  mailbox_full: overloaded(503, "An actor's mailbox is at its limit."),
  not_ready: retryable(503, "The engine is starting, restarting or draining."),
  connection_lost: retryable(503, "A client's connection to the server failed, and could not be had again."),
  peer_unreachable: retryable(502, "The server that has the model does not answer."),
  engine_failed: retryable(503, "The engine failed beyond its restart budget or lost this request."),
  deadline_exceeded: retryable(504, "No answer before the deadline."),
  // configuration and files
  invalid_config: permanent(500, "A configuration key is unknown or its value is out of range."),
  invalid_model: permanent(500, "The model folder is incomplete or inconsistent."),
  unsupported_model: permanent(500, "The model's architecture or a feature of it is not supported."),
  file_error: permanent(500, "A file could not be read or written."),
  address_in_use: permanent(500, "Another process listens on the port."),
  // actors
  actor_down: retryable(503, "The actor stopped before it answered."),
  actor_not_found: retryable(503, "No actor is registered under that reference."),
  actor_init_failed: permanent(500, "An actor's init failed; it is not retried blindly."),
  no_handler: permanent(500, "The actor has no handler for that message kind."),
  stream_broken: retryable(503, "A stream lost or repeated an item, or its producer stopped."),
  restart_budget_spent: permanent(503, "A supervisor gave up: too many restarts in too short a time."),
  system_stopped: permanent(503, "The actor system has been stopped."),
  // everything else
  internal: permanent(500, "A bug in Troupe; please report it."),
} as const satisfies Record<string, ErrorCodeInfo>;

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;
