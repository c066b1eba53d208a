/** `POST /v1/chat/completions`. */
import { readChatRequest } from "../../protocol/openai/chat-request.ts";
import { ChatResponder } from "../../protocol/openai/chat-response.ts";
import { planTools } from "../../protocol/tools/tool-plan.ts";
import { bodyModel, type Route } from "../http-exchange.ts";
import { respond, resume } from "../respond.ts";
import { checkModel, type ServingContext, toSamplingParams } from "../serving-context.ts";

/** The answer goes on until the model ends it or the context is full, unless the request says otherwise. */
export function chatCompletionsRoute(context: ServingContext): Route {
  return {
    method: "POST",
    path: "/v1/chat/completions",
    isWork: true,
    modelOf: bodyModel,
    takesUp: true,
    handle(http) {
      const { body, lastEventId } = http;
      if (lastEventId !== null) return resume(context, lastEventId, http);
      const request = readChatRequest(body);
      const model = checkModel(context, request.model);
      const { info } = context.engine;
      const plan = request.tools === null ? null : planTools(request.tools, info.toolParser, request.format);
      const fields = plan?.keepsSpecialTokens
        ? { ...request.fields, skipSpecialTokens: false }
        : request.fields;
      const format = plan === null ? request.format : plan.grammar;
      const params = toSamplingParams(context, fields, request.nameField, format);
      const id = `chatcmpl-${context.newId()}`;
      const head = { id, model, created: context.unixSeconds(), n: params.n };
      const responder = new ChatResponder(request, head, plan);
      const requests = [{ requestId: id, prompt: request.prompt, params }];
      return respond(context, { id, requests, responder, stream: request.stream }, http);
    },
  };
}
