/** Cross-origin requests of browsers (CORS): which pages may use the server, and the headers that tell a browser so. */
import type { ServerConfig } from "../config/config.ts";

/** How long a browser may remember the answer to a preflight. */
const PREFLIGHT_SECONDS = "600";
const METHODS = "GET, HEAD, POST, DELETE, OPTIONS";
/** When a browser does not say what it wants to send. */
const HEADERS = "authorization, content-type, last-event-id, x-request-id";
const EXPOSED_HEADERS = "retry-after, x-request-id";
/** Names of header fields, as a browser lists them. */
const HEADER_LIST = /^[\w!#$%&'*+.^`|~, -]{1,4096}$/;

/** @see ServerConfig.allowedOrigins */
export class OriginPolicy {
  readonly #allowed: ReadonlySet<string>;
  readonly #allowCredentials: boolean;

  constructor({
    allowedOrigins,
    allowCredentials,
  }: Pick<ServerConfig, "allowedOrigins" | "allowCredentials">) {
    this.#allowed = new Set(allowedOrigins);
    this.#allowCredentials = allowCredentials;
  }

  /** Whether pages of `origin` may use the server. */
  allows(origin: string): boolean {
    return this.#allowed.has("*") || this.#allowed.has(origin);
  }

  /** For every response; nothing for requests that no other page has sent, or may send. */
  headers(origin: string | undefined): Readonly<Record<string, string>> {
    if (this.#allowed.size === 0) return {};
    // A cache must not give one origin's answer to another.
    const vary = { vary: "Origin" };
    if (origin === undefined || !this.allows(origin)) return vary;
    return {
      ...vary,
      "access-control-allow-origin": this.#allowed.has("*") ? "*" : origin,
      "access-control-expose-headers": EXPOSED_HEADERS,
      ...(this.#allowCredentials && { "access-control-allow-credentials": "true" }),
    };
  }

  /** For the answer to a preflight, beside {@link headers}. */
  preflightHeaders(requested: string | undefined): Readonly<Record<string, string>> {
    return {
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers":
        requested !== undefined && HEADER_LIST.test(requested) ? requested : HEADERS,
      "access-control-max-age": PREFLIGHT_SECONDS,
    };
  }
}
