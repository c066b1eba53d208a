/** `GET /v1/models` and `GET /v1/models/{name}`; names may contain slashes. */
import { toModel, toModelList } from "../../protocol/openai/models.ts";
import type { Route } from "../http-exchange.ts";
import { checkModel, type ServingContext } from "../serving-context.ts";

/** All models: the names that requests may use. */
export function modelsRoute({ models, peers }: ServingContext): Route {
  return {
    method: "GET",
    path: "/v1/models",
    isWork: false,
    handle() {
      const infos = models.engines.map(({ info }) => info);
      return { kind: "json", body: toModelList(infos, peers.models) };
    },
  };
}

/** One of them. */
export function modelRoute(context: ServingContext): Route {
  return {
    method: "GET",
    path: "/v1/models/*",
    isWork: false,
    modelOf: ({ rest }) => rest,
    handle({ rest }) {
      checkModel(context, rest);
      return { kind: "json", body: toModel(context.engine.info, rest) };
    },
  };
}
