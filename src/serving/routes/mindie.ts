/** MindIE's routes for clients: the TGI, vLLM, native and Triton dialects, and queries about the model. */
import { randomInt } from "node:crypto";
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { toMindieError } from "../../protocol/mindie/error-reply.ts";
import type { MindieOptions, MindieRequest } from "../../protocol/mindie/mindie-request.ts";
import { readNativeRequest } from "../../protocol/mindie/native.ts";
import { modelConfig, modelMetadata, serverMetadata } from "../../protocol/mindie/queries.ts";
import { readTgiRequest } from "../../protocol/mindie/tgi.ts";
import {
  readTritonText,
  readTritonTokens,
  requestId,
  type TritonNames,
} from "../../protocol/mindie/triton.ts";
import { readVllmRequest } from "../../protocol/mindie/vllm.ts";
import { bodyModel, type HttpReply, type HttpRequest, type Route } from "../http-exchange.ts";
import { answerMindie } from "../mindie/answer-mindie.ts";
import { RunningRequests } from "../mindie/running-requests.ts";
import { checkModel, type ServingContext } from "../serving-context.ts";

/** All of them. */
export function mindieRoutes(context: ServingContext): Route[] {
  const running = new RunningRequests();
  const { limits, version } = context;
  const options = (): MindieOptions => ({
    model: context.engine.info,
    promptSpace: limits.mindiePromptSpace,
    fullText: limits.mindieFullText,
    newSeed: () => randomInt(2 ** 47),
  });
  const infer = (
    path: string,
    read: (request: HttpRequest) => MindieRequest,
    modelOf: NonNullable<Route["modelOf"]> = pathModel,
  ): Route => ({
    method: "POST",
    path,
    isWork: true,
    modelOf,
    handle: (request) => answerMindie(context, running, read(request), request),
    toErrorReply: toMindieError,
  });
  const names = ({ pathId }: HttpRequest): TritonNames => ({
    id: context.newId(),
    model: checkModel(context, pathId),
    // the last token comes when its sequence has ended
    batchSize: () => Math.max(1, context.engine.status().numRunning),
  });
  const query = (path: string, read: (request: HttpRequest) => object): Route => ({
    method: "GET",
    path,
    isWork: false,
    modelOf: pathModel,
    handle: (request) => ({ kind: "json", body: read(request) }),
    toErrorReply: toMindieError,
  });
  return [
    infer("/", ({ body }) => readTgiRequest(body, null, options())),
    infer("/generate", ({ body }) => readGenerate(body, options()), bodyModel),
    infer("/generate_stream", ({ body }) => readTgiRequest(body, true, options())),
    infer("/infer", ({ body }) => readNativeRequest(body, options())),
    infer("/infer_token", ({ body }) => readNativeRequest(body, options())),
    query("/v2", () => serverMetadata(context.engine.info, version)),
    ...["/v2/models/:id", "/v2/models/:id/versions/:version"].flatMap((path) => [
      infer(`${path}/generate`, (request) => readTritonText(request.body, false, names(request), options())),
      infer(`${path}/generate_stream`, (request) =>
        readTritonText(request.body, true, names(request), options()),
      ),
      infer(`${path}/infer`, (request) => readTritonTokens(request.body, names(request))),
      stopInferRoute(context, running, `${path}/stopInfer`),
      query(path, ({ pathId }) => modelMetadata(checkModel(context, pathId))),
      query(`${path}/config`, ({ pathId }) => modelConfig(checkModel(context, pathId), context.engine.info)),
    ]),
    tokenizerRoute(context),
  ];
}

/** The model that an address names; the default one, where it names none. */
function pathModel({ pathId }: HttpRequest): string | null {
  return pathId === "" ? null : pathId;
}

/** `POST /generate` is Text Generation Inference's or vLLM's, by the name of its prompt. */
function readGenerate(body: unknown, options: MindieOptions): MindieRequest {
  const has = (name: string): boolean => typeof body === "object" && body !== null && name in body;
  if (has("inputs")) return readTgiRequest(body, null, options);
  if (has("prompt")) return readVllmRequest(body, options);
  const message = 'The body must be a JSON object with "inputs" or "prompt", a text.';
  throw new TroupeError("invalid_request", message, { details: { param: "inputs" } });
}

const stopSchema = z.object({ id: requestId });

/** Ends a request by its own name; its reply is what it has so far. */
function stopInferRoute(context: ServingContext, running: RunningRequests, path: string): Route {
  return {
    method: "POST",
    path,
    isWork: false,
    modelOf: pathModel,
    handle({ body, pathId }): HttpReply {
      checkModel(context, pathId);
      const { id } = parse(stopSchema, body, { code: "invalid_request", what: "request body" });
      running.stop(id);
      return { kind: "json", body: body as object };
    },
    toErrorReply: toMindieError,
  };
}

const tokenizerSchema = z.strictObject({ inputs: z.string().min(1), do_decode: z.boolean().nullish() });

/** How many tokens a text has, and which. */
function tokenizerRoute(context: ServingContext): Route {
  return {
    method: "POST",
    path: "/v1/tokenizer",
    isWork: true,
    async handle({ body }) {
      const wire = parse(tokenizerSchema, body, { code: "invalid_request", what: "request body" });
      const { ids, tokens } = await context.engine.tokenize({ kind: "text", text: wire.inputs });
      return {
        kind: "json",
        body: { token_number: ids.length, tokens: (wire.do_decode ?? true) ? tokens : [] },
      };
    },
    toErrorReply: toMindieError,
  };
}
