/** `POST /v1/completions`. */
import { readCompletionRequest } from "../../protocol/openai/completion-request.ts";
import { CompletionResponder } from "../../protocol/openai/completion-response.ts";
import { wireName } from "../../protocol/openai/sampling-fields.ts";
import { bodyModel, type Route } from "../http-exchange.ts";
import { respond, resume } from "../respond.ts";
import { checkModel, type ServingContext, toSamplingParams } from "../serving-context.ts";

/** Several prompts run at once; their choices are numbered promptIndex * n + answer. */
export function completionsRoute(context: ServingContext): Route {
  return {
    method: "POST",
    path: "/v1/completions",
    isWork: true,
    modelOf: bodyModel,
    takesUp: true,
    handle(http) {
      const { body, lastEventId } = http;
      if (lastEventId !== null) return resume(context, lastEventId, http);
      const request = readCompletionRequest(body, context.engine.info);
      const model = checkModel(context, request.model);
      const params = toSamplingParams(context, request.fields, wireName, request.format);
      const id = `cmpl-${context.newId()}`;
      const requests = request.prompts.map((prompt, index) => ({
        requestId: `${id}-${index}`,
        prompt,
        params,
      }));
      const head = { id, model, created: context.unixSeconds(), n: params.n };
      const responder = new CompletionResponder(request, head);
      return respond(context, { id, requests, responder, stream: request.stream }, http);
    },
  };
}
