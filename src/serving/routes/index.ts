/** All routes, in the order of the documentation. */
import type { Route } from "../http-exchange.ts";
import type { ResponseService } from "../responses/response-service.ts";
import type { ServingContext } from "../serving-context.ts";
import { chatCompletionsRoute } from "./chat-completions.ts";
import { completionsRoute } from "./completions.ts";
import { healthRoute, readyRoute, versionRoute } from "./health.ts";
import { metricsRoute } from "./metrics.ts";
import { mindsporeRoutes } from "./mindspore.ts";
import { modelRoute, modelsRoute } from "./models.ts";
import { pageRoute, playgroundFilesRoute } from "./playground.ts";
import { responsesRoutes } from "./responses.ts";
import { socketAddressRoutes } from "./socket-addresses.ts";
import { stageRoute } from "./stage.ts";
import { detokenizeRoute, tokenizeRoute } from "./tokenize.ts";

/** @see Route */
export function createRoutes(context: ServingContext, responses: ResponseService): Route[] {
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
    ...mindsporeRoutes(context),
    ...responsesRoutes(responses),
    ...socketAddressRoutes(context),
  ];
}
