/** `GET /v1/stream` without an upgrade: the WebSocket's address asked for as a page. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Route } from "../http-exchange.ts";
import type { ServingContext } from "../serving-context.ts";

/** Where the WebSocket listens. */
export const STREAM_PATH = "/v1/stream";

/** Says how to connect instead. */
export function streamRoute({ work }: ServingContext): Route {
  return {
    method: "GET",
    path: STREAM_PATH,
    isWork: false,
    handle() {
      if (work.isClosing)
        throw new TroupeError("not_ready", "The server is stopping and takes no new connections.");
      throw new TroupeError(
        "invalid_request",
        `${STREAM_PATH} speaks WebSocket: connect to it with a ws:// address.`,
      );
    },
  };
}
