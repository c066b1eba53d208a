/** `POST /tokenize` and `POST /detokenize`. */
import {
  readDetokenizeRequest,
  readTokenizeRequest,
  toTokenizeResponse,
} from "../../protocol/openai/tokenize.ts";
import { checkPrompt } from "../check-prompt.ts";
import { bodyModel, type Route } from "../http-exchange.ts";
import { checkModel, type ServingContext } from "../serving-context.ts";

/** A text or a conversation to token ids. */
export function tokenizeRoute(context: ServingContext): Route {
  return {
    method: "POST",
    path: "/tokenize",
    isWork: true,
    modelOf: bodyModel,
    async handle({ body }) {
      const request = readTokenizeRequest(body);
      checkModel(context, request.model);
      checkPrompt(context.limits, request.prompt);
      const tokenized = await context.engine.tokenize(request.prompt);
      return { kind: "json", body: toTokenizeResponse(request, tokenized, context.engine.info) };
    },
  };
}

/** Token ids to text. */
export function detokenizeRoute(context: ServingContext): Route {
  return {
    method: "POST",
    path: "/detokenize",
    isWork: true,
    modelOf: bodyModel,
    async handle({ body }) {
      const { model, ids } = readDetokenizeRequest(body, context.engine.info);
      checkModel(context, model);
      return { kind: "json", body: { prompt: await context.engine.detokenize(ids) } };
    },
  };
}
