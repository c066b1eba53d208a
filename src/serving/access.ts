/**
 * Who may come in: API keys for requests and sockets, origins for sockets. Says also who is asking, for limits that count
 * by client.
 */
import type { IncomingHttpHeaders } from "node:http";
import { TroupeError } from "../errors/troupe-error.ts";
import { networkOf } from "./address.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { OriginPolicy } from "./origin-policy.ts";

/**
 * Routes that want no key, method and path as they are registered: what a probe asks, and the files of the playground,
 * which ask for the key themselves. Every other route is guarded, unknown ones too.
 */
export const OPEN_ROUTES: ReadonlySet<string> = new Set([
  "GET /health",
  "GET /ready",
  "GET /v2/health/live",
  "GET /v2/health/ready",
  "GET /",
  "GET /playground/*",
]);

/** Ends the server: an admin key's matter, where there are any, and never a web page's. */
export const STOP_PATH = "/stopService";

/** Browsers cannot set headers on a WebSocket; the openai client passes its key as a subprotocol of this form. */
export const KEY_PROTOCOL_PREFIX = "openai-insecure-api-key.";

/** What access is decided by. */
export interface Visitor {
  readonly headers: IncomingHttpHeaders;
  /** Of the connection; undefined once it is gone. */
  readonly address: string | undefined;
}

/** @see docs/operations.md */
export class Access {
  readonly #keys: ApiKeys;
  readonly #adminKeys: ApiKeys;
  readonly #origins: OriginPolicy;

  constructor(keys: ApiKeys, adminKeys: ApiKeys, origins: OriginPolicy) {
    this.#keys = keys;
    this.#adminKeys = adminKeys;
    this.#origins = origins;
  }

  /**
   * Lets an HTTP request in.
   *
   * @param route its method and path as registered; undefined when there is none.
   * @returns a name for the client: `key 0`, or its address.
   * @throws TroupeError `unauthorized`; `forbidden` for what no web page may do.
   */
  enter(visitor: Visitor, route: string | undefined): string {
    if (route === `GET ${STOP_PATH}`) {
      refusePages(visitor);
      if (this.#adminKeys.isRequired) return this.enterAdmin(visitor);
    }
    if (!this.#keys.isRequired || (route !== undefined && OPEN_ROUTES.has(route))) return nameOf(visitor);
    return this.#checkKey(bearerKey(visitor.headers), "Send it as the header Authorization: Bearer KEY.");
  }

  /**
   * Lets a request of an operator in, by a key that opens nothing else.
   *
   * @throws TroupeError `unauthorized`; `forbidden` where there are no such keys.
   */
  enterAdmin({ headers }: Visitor): string {
    if (!this.#adminKeys.isRequired) {
      const text =
        "Nobody may manage this server's models: set server.adminKeys, and send one of them as the header";
      throw new TroupeError("forbidden", `${text} Authorization: Bearer KEY.`);
    }
    const key = bearerKey(headers);
    const how = "Send one of server.adminKeys as the header Authorization: Bearer KEY.";
    if (key === null)
      throw new TroupeError("unauthorized", `Managing this server wants a key of its own. ${how}`);
    const index = this.#adminKeys.indexOf(key);
    if (index < 0)
      throw new TroupeError("unauthorized", `That key does not open the management of this server. ${how}`);
    return `admin key ${index}`;
  }

  /** Whose things a client may see: those of its key; without keys everybody's are everybody's. */
  ownerOf(client: string): string {
    return this.#keys.isRequired ? client : "everybody";
  }

  /**
   * Lets a WebSocket in. Pages of other origins are stopped here because browsers do not: any page may open a socket to
   * any address.
   *
   * @throws TroupeError `forbidden`, `unauthorized`.
   */
  enterSocket(visitor: Visitor): string {
    const { origin, host } = visitor.headers;
    if (origin !== undefined && !isSameOrigin(origin, host) && !this.#origins.allows(origin)) {
      const text = `Web pages of ${origin.slice(0, 200)} may not connect; add the origin to server.allowedOrigins.`;
      throw new TroupeError("forbidden", text);
    }
    if (!this.#keys.isRequired) return nameOf(visitor);
    const key = bearerKey(visitor.headers) ?? protocolKey(visitor.headers);
    const how = `Send it as the header Authorization: Bearer KEY, from a browser as the subprotocol ${KEY_PROTOCOL_PREFIX}KEY.`;
    return this.#checkKey(key, how);
  }

  #checkKey(key: string | null, how: string): string {
    if (key === null) throw new TroupeError("unauthorized", `This server wants an API key. ${how}`);
    const index = this.#keys.indexOf(key);
    if (index < 0) throw new TroupeError("unauthorized", "The API key is not one of this server's.");
    return `key ${index}`;
  }
}

/** Any page can make a browser ask for any address; the browser says that it did. */
function refusePages({ headers }: Visitor): void {
  const site = headers["sec-fetch-site"];
  if (site === undefined || site === "none") return;
  throw new TroupeError("forbidden", "Web pages may not stop the server; ask for the address directly.");
}

function nameOf({ address }: Visitor): string {
  return networkOf(address ?? "unknown");
}

function bearerKey({ authorization }: IncomingHttpHeaders): string | null {
  return /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? null;
}

function protocolKey(headers: IncomingHttpHeaders): string | null {
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
  const found = offered.find((name) => name.startsWith(KEY_PROTOCOL_PREFIX));
  return found?.slice(KEY_PROTOCOL_PREFIX.length) ?? null;
}

/** The page came from this server itself, under the name it was asked by. */
function isSameOrigin(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host.toLowerCase();
}
