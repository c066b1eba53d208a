/** `GET /health` (should this process be left alone?), `/ready` (should it get requests?) and `/version`. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Route } from "../http-exchange.ts";
import type { ServingContext } from "../serving-context.ts";

/** Healthy unless only a restart of the process could help. */
export function healthRoute({ engine }: ServingContext): Route {
  return {
    method: "GET",
    path: "/health",
    isWork: false,
    handle() {
      const { state } = engine.status();
      if (state === "failed" || state === "stopped")
        throw new TroupeError("engine_failed", `The engine is ${state}; only a new process can serve again.`);
      return { kind: "json", body: { status: "ok" } };
    },
  };
}

/** Ready when the engine is and the server is not stopping. */
export function readyRoute({ engine, work }: ServingContext): Route {
  return {
    method: "GET",
    path: "/ready",
    isWork: false,
    handle() {
      const state = work.isClosing ? "draining" : engine.status().state;
      if (state !== "ready") throw new TroupeError("not_ready", `The server is not ready: ${state}.`);
      return { kind: "json", body: { status: "ready" } };
    },
  };
}

/** The version of this package. */
export function versionRoute({ version }: ServingContext): Route {
  return {
    method: "GET",
    path: "/version",
    isWork: false,
    handle: () => ({ kind: "json", body: { version } }),
  };
}
