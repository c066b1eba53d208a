/** HTTP as the routes see it: plain requests in, plain replies out. The framework stays in its adapter. */
import type { TroupeError } from "../errors/troupe-error.ts";
import type { Caller } from "./caller.ts";

/** A request whose body has been read. */
export interface HttpRequest extends Caller {
  /** The client's X-Request-Id, else one of ours; it is sent back. */
  readonly id: string;
  /** Decoded JSON; undefined when there was none. */
  readonly body: unknown;
  /** What stands in place of the route's `*`. */
  readonly rest: string;
  /** What stands in place of the route's `:id`. */
  readonly pathId: string;
  /** What stands after the `?`; a key that is there twice has a list. */
  readonly query: Readonly<Record<string, unknown>>;
  /** The last event of a stream that the client had when it lost its connection. */
  readonly lastEventId: string | null;
  /** Aborted when the client goes away, or when the server stops and the drain deadline has passed. */
  readonly signal: AbortSignal;
  /** What it began goes on without it: it counts toward its client's limit until then. */
  countUntil(ended: Promise<void>): void;
}

/** What a route answers. Failures are thrown as TroupeErrors. */
export type HttpReply =
  | {
      readonly kind: "json";
      readonly status?: number;
      readonly body: object;
      readonly headers?: Readonly<Record<string, string>>;
      /** Under which the engine knows the request, for the log. */
      readonly responseId?: string;
    }
  | {
      readonly kind: "text";
      readonly status?: number;
      readonly contentType: string;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Server-sent events, or pieces of another format; each frame complete. */
  | {
      readonly kind: "events";
      readonly frames: AsyncIterable<string>;
      /** Of a format that is not server-sent events. */
      readonly contentType?: string;
      /** What a silent stream sends so that proxies keep it; null sends nothing. Default: a comment. */
      readonly keepAlive?: string | null;
      readonly responseId?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** How the format shows a failure in the middle of a stream. */
      readonly toErrorFrame?: (error: TroupeError) => string;
    };

/** The field `model` of a body, wherever it is a text; what is wrong with it is said by who parses the body. */
export function bodyModel({ body }: Pick<HttpRequest, "body">): string | null {
  if (typeof body !== "object" || body === null || !("model" in body)) return null;
  return typeof body.model === "string" ? body.model : null;
}

/** A failure as one protocol shows it. */
export interface ErrorReply {
  readonly status: number;
  readonly body: object;
}

/** One route. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** A path; `:id` takes one segment, a `*` at the end takes the rest. */
  readonly path: string;
  /** Refused while the server stops, and waited for. */
  readonly isWork: boolean;
  /** Opened by server.adminKeys and by nothing else. */
  readonly isForAdmins?: boolean;
  /** A request with `Last-Event-ID` only reads what another one began: it counts toward no limit. */
  readonly takesUp?: boolean;
  handle(request: HttpRequest): HttpReply | Promise<HttpReply>;
  /**
   * The model that a request names: its context is the one the route answers with, and a request for the model of a peer
   * is sent on. Absent: the server's own context.
   */
  modelOf?(request: HttpRequest): string | null;
  /** How the route's protocol says that something went wrong; default: OpenAI's error object and the error's status. */
  toErrorReply?(error: TroupeError): ErrorReply;
}
