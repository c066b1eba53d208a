/**
 * Sends a request on to another server and its answer back, as they come: a stream stays a stream, and who reads slowly
 * or goes away is felt by the server that generates.
 */
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import type { Peer } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { HttpRequest, Route } from "./http-exchange.ts";
import { FORWARDED_HEADER, type PeerTable } from "./peer-table.ts";
import type { ServingContext } from "./serving-context.ts";

/** A request whose body has been read. */
export interface ForwardedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
  /** Decoded JSON; undefined for none. */
  readonly body: unknown;
}

/** Of one connection, not of the request (RFC 9110, 7.6.1); the host and the length are new. */
const HOP_BY_HOP = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The model of a request that another server has and this one has not; null for one to be answered here. */
export function modelOfPeer(
  { models, peers }: Pick<ServingContext, "models" | "peers">,
  route: Route,
  request: HttpRequest,
  headers: IncomingHttpHeaders,
): string | null {
  const model = headers[FORWARDED_HEADER] === undefined ? (route.modelOf?.(request) ?? null) : null;
  if (model === null || models.find(model) !== null) return null;
  return peers.serversOf(model).length > 0 ? model : null;
}

/**
 * Tries the servers of the model one after the other until one takes the connection. Resolves when the answer has been
 * passed on, or the client has gone.
 *
 * @throws TroupeError `peer_unreachable` while nothing has been sent back
 */
export async function forwardRequest(
  peers: PeerTable,
  model: string,
  request: ForwardedRequest,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  let failure: unknown;
  for (const peer of peers.serversOf(model)) {
    const end = peers.begin(peer);
    try {
      const answer = await ask(peer, request, signal);
      await passOn(answer, response);
      return;
    } catch (error) {
      // Half an answer must not look like a whole one.
      if (response.headersSent) return void response.destroy();
      signal.throwIfAborted();
      failure = error;
    } finally {
      end();
    }
  }
  const reason = failure instanceof Error ? failure.message : String(failure);
  const text = `No server of the model ${JSON.stringify(model)} answers (${reason}). Retry, or see to the servers in server.peers.`;
  throw new TroupeError("peer_unreachable", text, { cause: failure, details: { model } });
}

function ask(peer: Peer, request: ForwardedRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const body = request.body === undefined ? null : Buffer.from(JSON.stringify(request.body));
  const url = new URL(request.url, peer.url);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { method: request.method, headers: toHeaders(request, body), signal };
  const outgoing = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options, resolve);
  outgoing.once("error", reject);
  outgoing.end(body ?? undefined);
  return promise;
}

function toHeaders(
  { headers, remoteAddress }: ForwardedRequest,
  body: Buffer | null,
): Record<string, string | string[]> {
  const via = headers["x-forwarded-for"];
  const from = [via, remoteAddress].filter(Boolean).join(", ");
  return {
    ...endToEnd(headers),
    ...(body !== null && { "content-length": String(body.length) }),
    ...(from !== "" && { "x-forwarded-for": from }),
    [FORWARDED_HEADER]: "1",
  };
}

async function passOn(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
  response.flushHeaders();
  // A server that dies in the middle ends the stream, and with it the connection: the client sees that it is not whole.
  await pipeline(answer, response);
}

function endToEnd(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const own = new Set(
    String(headers.connection ?? "")
      .toLowerCase()
      .split(/\s*,\s*/),
  );
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] =>
        entry[1] !== undefined && !HOP_BY_HOP.has(entry[0]) && !own.has(entry[0]),
    ),
  );
}
