/** `GET /metrics`. */
import type { Route } from "../http-exchange.ts";
import type { ServingContext } from "../serving-context.ts";

/** For Prometheus. */
export function metricsRoute({ metrics }: ServingContext): Route {
  return {
    method: "GET",
    path: "/metrics",
    isWork: false,
    handle: async () => ({ kind: "text", contentType: metrics.contentType, body: await metrics.render() }),
  };
}
