/** `GET /health` (should this process be left alone?), `/ready` (should it get requests?) and `/version`. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Route } from "../http-exchange.ts";
import type { ServingContext } from "../serving-context.ts";

/** Healthy unless only a restart of the process could help: as long as one model can be served. */
export function healthRoute({ models }: ServingContext): Route {
  return {
    method: "GET",
    path: "/health",
    isWork: false,
    handle() {
      const states = models.engines.map((engine) => engine.status().state);
      if (states.every((state) => state === "failed" || state === "stopped"))
        throw new TroupeError(
          "engine_failed",
          `The engine is ${states[0]}; only a new process can serve again.`,
        );
      return { kind: "json", body: { status: "ok" } };
    },
  };
}

/** Ready when an engine is and the server is not stopping. */
export function readyRoute({ models, work }: ServingContext): Route {
  return {
    method: "GET",
    path: "/ready",
    isWork: false,
    handle() {
      const states = models.engines.map((engine) => engine.status().state);
      const state = work.isClosing ? "draining" : states[0];
      if (work.isClosing || !states.includes("ready"))
        throw new TroupeError("not_ready", `The server is not ready: ${state}.`);
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
