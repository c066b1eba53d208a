/** The WebSockets' addresses asked for without an upgrade, as a page: `GET /v1/stream` and `GET /v1/responses`. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Route } from "../http-exchange.ts";
import type { ServingContext } from "../serving-context.ts";
import { RESPONSES_PATH } from "./responses.ts";

/** Where this server's own protocol is spoken. */
export const STREAM_PATH = "/v1/stream";

/** Say how to connect instead. */
export function socketAddressRoutes({ work }: ServingContext): Route[] {
  return [STREAM_PATH, RESPONSES_PATH].map((path) => ({
    method: "GET",
    path,
    isWork: false,
    handle() {
      if (work.isClosing)
        throw new TroupeError("not_ready", "The server is stopping and takes no new connections.");
      const message = `GET ${path} speaks WebSocket: connect to it with a ws:// address.`;
      throw new TroupeError("invalid_request", message);
    },
  }));
}
