/** `GET /v1/models` and `GET /v1/models/{name}`; names may contain slashes. */
import { toModel, toModelList } from "../../protocol/openai/models.ts";
import type { Route } from "../http-exchange.ts";
import type { ServingContext } from "../serving-context.ts";

/** All models: the names that requests may use. */
export function modelsRoute({ engine }: ServingContext): Route {
  return {
    method: "GET",
    path: "/v1/models",
    isWork: false,
    handle: () => ({ kind: "json", body: toModelList(engine.info) }),
  };
}

/** One of them. */
export function modelRoute({ engine }: ServingContext): Route {
  return {
    method: "GET",
    path: "/v1/models/*",
    isWork: false,
    handle: ({ rest }) => ({ kind: "json", body: toModel(engine.info, rest) }),
  };
}
