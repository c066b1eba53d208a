/** `GET /metrics`. */
import type { HttpReply, Route } from "../http-exchange.ts";
import type { Metrics } from "../metrics.ts";
import type { ServingContext } from "../serving-context.ts";

/** For Prometheus, under vLLM's names. */
export function metricsRoute({ metrics }: ServingContext): Route {
  return route(metrics, () => metrics.render());
}

/** Under MindIE's names. */
export function mindieMetricsRoute({ metrics }: ServingContext): Route {
  return route(metrics, () => metrics.renderMindie());
}

/** Under both, where one listener is asked for either. */
export function allMetricsRoute({ metrics }: ServingContext): Route {
  return route(metrics, async () => (await metrics.render()) + (await metrics.renderMindie()));
}

function route({ contentType }: Metrics, render: () => Promise<string>): Route {
  const handle = async (): Promise<HttpReply> => ({ kind: "text", contentType, body: await render() });
  return { method: "GET", path: "/metrics", isWork: false, handle };
}
