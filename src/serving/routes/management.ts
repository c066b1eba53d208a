/** `GET /stopService`, on a management listener only: whoever may reach it may end the service. */
import { TroupeError } from "../../errors/troupe-error.ts";
import { STOP_PATH } from "../access.ts";
import type { Route } from "../http-exchange.ts";
import type { ServingContext } from "../serving-context.ts";
import type { StopRequest } from "../stop-request.ts";

/**
 * Stops the server as SIGTERM does: no new requests, those in flight may end. `?mode=Force` cuts them. Answered, with
 * nothing, when they have ended; a second call gets 500. As MindIE has it.
 */
export function stopServiceRoute({ work }: ServingContext, stop: StopRequest): Route {
  return {
    method: "GET",
    path: STOP_PATH,
    isWork: false,
    async handle({ query }) {
      if (query.mode !== undefined && query.mode !== "Force")
        throw new TroupeError("invalid_request", '"mode" must be Force, or left out.');
      const isFirst = stop.make(query.mode === "Force" ? "force" : "drain");
      if (isFirst) await work.drained;
      return { kind: "text", status: isFirst ? 200 : 500, contentType: "text/plain", body: "" };
    },
  };
}
