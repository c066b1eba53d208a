/** All routes, in the order of the documentation. */
import type { Route } from "../http-exchange.ts";
import { joinRoutes, type ListenerPlan, type Plane } from "../listeners.ts";
import type { ResponseService } from "../responses/response-service.ts";
import type { ServingContext } from "../serving-context.ts";
import type { StopRequest } from "../stop-request.ts";
import { adminModelRoutes } from "./admin-models.ts";
import { chatCompletionsRoute } from "./chat-completions.ts";
import { completionsRoute } from "./completions.ts";
import { healthRoute, readyRoute, versionRoute } from "./health.ts";
import { stopServiceRoute } from "./management.ts";
import { allMetricsRoute, metricsRoute, mindieMetricsRoute } from "./metrics.ts";
import { mindieRoutes } from "./mindie.ts";
import { mindieManagementRoutes } from "./mindie-management.ts";
import { mindsporeRoutes } from "./mindspore.ts";
import { modelRoute, modelsRoute } from "./models.ts";
import { pageRoute, playgroundFilesRoute } from "./playground.ts";
import { responsesRoutes } from "./responses.ts";
import { socketAddressRoutes } from "./socket-addresses.ts";
import { stageRoute } from "./stage.ts";
import { detokenizeRoute, tokenizeRoute } from "./tokenize.ts";

/** The routes of each listener. */
export function createPlanes(
  context: ServingContext,
  responses: ResponseService,
  stop: StopRequest,
  listeners: readonly ListenerPlan[],
): (listener: ListenerPlan) => readonly Route[] {
  const managed = listeners.find(({ planes }) => planes.includes("management"));
  const { host, port } = (managed ?? listeners[0]!).config;
  const queries = mindieManagementRoutes(context, `${host}:${port}`);
  const planes: Readonly<Record<Plane, readonly Route[]>> = {
    service: [...createRoutes(context, responses), ...(managed === undefined ? queries : [])],
    management: [
      ...adminModelRoutes(context),
      ...[healthRoute, readyRoute, versionRoute].map((create) => create(context)),
      ...queries,
      stopServiceRoute(context, stop),
    ],
    metrics: [mindieMetricsRoute(context)],
  };
  return (listener) => {
    const joined = joinRoutes(listener.planes.map((plane) => planes[plane]));
    const hasBoth = listener.planes.includes("service") && listener.planes.includes("metrics");
    return hasBoth ? joinRoutes([[allMetricsRoute(context)], joined]) : joined;
  };
}

/** Routes that name a model answer with that model's context; they are made anew for each model that is asked for. */
function createRoutes(context: ServingContext, responses: ResponseService): Route[] {
  const tables = new WeakMap<ServingContext, ReadonlyMap<string, Route>>();
  const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
  const tableOf = (own: ServingContext): ReadonlyMap<string, Route> => {
    const known = tables.get(own);
    if (known !== undefined) return known;
    const table = new Map(routesWith(own, responses).map((route) => [nameOf(route), route] as const));
    tables.set(own, table);
    return table;
  };
  return routesWith(context, responses).map((route) => {
    const { modelOf } = route;
    if (modelOf === undefined) return route;
    const name = nameOf(route);
    return {
      ...route,
      handle: (request) =>
        tableOf(context.forModel(modelOf(request)))
          .get(name)!
          .handle(request),
    };
  });
}

/** @see Route */
function routesWith(context: ServingContext, responses: ResponseService): Route[] {
  const factories = [
    completionsRoute,
    chatCompletionsRoute,
    modelsRoute,
    modelRoute,
    tokenizeRoute,
    detokenizeRoute,
    healthRoute,
    readyRoute,
    versionRoute,
    metricsRoute,
    pageRoute,
    playgroundFilesRoute,
    stageRoute,
  ];
  return [
    ...factories.map((create) => create(context)),
    ...adminModelRoutes(context),
    ...mindsporeRoutes(context),
    ...mindieRoutes(context),
    ...responsesRoutes(responses),
    ...socketAddressRoutes(context),
  ];
}
