/** Who asks, over HTTP as on a WebSocket. */
import type { IncomingHttpHeaders } from "node:http";
import type { Access } from "./access.ts";

/** What is known of a client while it is connected. */
export interface Caller {
  /** For limits by client. */
  readonly client: string;
  /** Whose stored responses and streams it may see. */
  readonly owner: string;
  /** The W3C trace that its requests belong to, unchecked; null for none. */
  readonly traceparent: string | null;
}

/** @param client as {@link Access} names it */
export function toCaller(access: Access, client: string, headers: IncomingHttpHeaders): Caller {
  const { traceparent } = headers;
  return {
    client,
    owner: access.ownerOf(client),
    traceparent: typeof traceparent === "string" ? traceparent : null,
  };
}
