/** The routes of MindSpore Serving's LLM server: `/models/:name`, its two sub-routes, and `/serving/...`. */
import type { TroupeError } from "../../errors/troupe-error.ts";
import { GenerationCollector } from "../../protocol/collected-generation.ts";
import type { GenerateRequest, Prompt, TextLogprobs } from "../../protocol/engine.ts";
import {
  type MindsporeRequest,
  mindsporeName,
  readMindsporeRequest,
} from "../../protocol/mindspore/generate-request.ts";
import {
  MindsporeReplies,
  type ReplyFrames,
  toServingEvent,
  type WholeAnswer,
} from "../../protocol/mindspore/reply-forms.ts";
import { servedModelInfo } from "../../protocol/mindspore/status-queries.ts";
import { toFinishReason } from "../../protocol/openai/responder.ts";
import { toPythonJson } from "../../protocol/python-json.ts";
import { collectGeneration, type Generation, startGeneration } from "../generation.ts";
import type { ErrorReply, HttpReply, HttpRequest, Route } from "../http-exchange.ts";
import { checkModel, type ServingContext, toSamplingParams } from "../serving-context.ts";

/** All of them. */
export function mindsporeRoutes(context: ServingContext): Route[] {
  const generate = (path: string, isStreamed: boolean | null): Route => ({
    method: "POST",
    path,
    isWork: true,
    modelOf: ({ pathId }) => pathId,
    handle: (request) => answer(context, request, isStreamed),
    toErrorReply,
  });
  const query = (path: string, read: () => StatusAnswer): Route => ({
    method: "GET",
    path,
    isWork: false,
    handle: () => toStatusReply(context, read()),
    toErrorReply,
  });
  const count = (read: () => number) => (): StatusAnswer => {
    const value = read();
    return { body: { data: value }, event: toServingEvent(value) };
  };
  const modelInfo = (): StatusAnswer => {
    const body = servedModelInfo(context.engine.info, context.version);
    return { body, event: `data: ${toPythonJson(body)}\r\n\r\n` };
  };
  return [
    generate("/models/:id", null),
    generate("/models/:id/generate", false),
    generate("/models/:id/generate_stream", true),
    query(
      "/serving/get_bs",
      count(() => context.engine.status().numRunning),
    ),
    query(
      "/serving/get_request_numbers",
      count(() => context.engine.status().numWaiting),
    ),
    query("/serving/get_served_model_info", modelInfo),
    // as its clients spell it
    query("/serving/get_serverd_model_info", modelInfo),
  ];
}

/** The same as JSON and as the one server-sent event that the old server made of it. */
interface StatusAnswer {
  readonly body: object;
  readonly event: string;
}

function toStatusReply({ limits }: ServingContext, { body, event }: StatusAnswer): HttpReply {
  if (limits.mindsporeReplies === "troupe") return { kind: "json", body };
  return { kind: "text", contentType: "text/event-stream; charset=utf-8", body: event };
}

/** @param isStreamed null leaves it to the request's `stream` */
async function answer(
  context: ServingContext,
  { body, pathId, signal, traceparent }: HttpRequest,
  isStreamed: boolean | null,
): Promise<HttpReply> {
  const { engine, limits } = context;
  checkModel(context, pathId);
  const request = readMindsporeRequest(body, engine.info.vocabSize);
  const id = `mindspore-${context.newId()}`;
  const prepared: GenerateRequest = {
    requestId: id,
    prompt: toPrompt(context, request),
    ...promptCut(context, request),
    params: toSamplingParams(
      context,
      { ...request.fields, ...wantedScores(request, context) },
      mindsporeName,
    ),
  };
  const generation = await startGeneration(context, [prepared], signal, traceparent);
  const replies = new MindsporeReplies(engine.info.eosTokenIds);
  const headers = correctionHeaders(request);
  if (isStreamed ?? request.isStreamed) {
    const form = replies.frames(limits.mindsporeReplies, request.protocol);
    const { contentType, keepAlive } = form;
    const frames = toFrames(generation, request, form);
    return { kind: "events", responseId: id, contentType, keepAlive, headers, frames };
  }
  const whole = toWhole((await collectGeneration(generation))[0]!, request);
  const bodyText = replies.whole(limits.mindsporeReplies, whole);
  return { kind: "text", contentType: "application/json", body: bodyText, headers };
}

function toPrompt({ limits }: ServingContext, { inputs }: MindsporeRequest): Prompt {
  const { mindsporePromptForm: form } = limits;
  return { kind: "text", text: form === null ? inputs : form.replace("{}", () => inputs) };
}

/** The last tokens of a prompt are kept: what its server left to the model. */
function promptCut({ engine }: ServingContext, { truncate, fields }: MindsporeRequest) {
  if (truncate === null) return {};
  const room = Math.max(1, engine.info.maxModelLen - (fields.maxTokens ?? 1));
  return { promptCut: { numTokens: truncate === "fit" ? room : truncate, keep: "end" } } as const;
}

/** Log-probabilities cost a pass over the vocabulary for each token, so only who shows them asks for them. */
function wantedScores({ details, promptDetails, topTokens }: MindsporeRequest, { limits }: ServingContext) {
  const showsTokens = details || topTokens > 0 || limits.mindsporeReplies === "dev";
  return {
    ...(showsTokens && { logprobs: topTokens }),
    ...(promptDetails && { promptLogprobs: 0 }),
  };
}

async function* toFrames(
  generation: Generation,
  request: MindsporeRequest,
  form: ReplyFrames,
): AsyncGenerator<string> {
  const collector = new GenerationCollector(generation.prompts[0]!);
  let numTokens = 0;
  for await (const { event } of generation.events) {
    collector.add(event);
    if (event.kind !== "delta") continue;
    yield form.step(event, numTokens + 1);
    numTokens += event.tokenIds.length;
  }
  const last = form.full(toWhole(collector.result(), request), request.returnFullText);
  if (last !== "") yield last;
}

function toWhole(
  { prompt, answers }: ReturnType<GenerationCollector["result"]>,
  request: MindsporeRequest,
): WholeAnswer {
  const { text, tokenIds, logprobs, finishReason, stopReason } = answers[0]!;
  const isEos = finishReason === "stop" && stopReason === null;
  const promptLogprobs: readonly (TextLogprobs | null)[] | null = prompt.promptLogprobs;
  return {
    text,
    tokenIds,
    logprobs,
    finishReason: isEos ? "eos" : toFinishReason(finishReason),
    promptLogprobs,
    seed: request.fields.seed ?? null,
    wantsDetails: request.details || request.promptDetails || request.topTokens > 0,
  };
}

/** Values that were out of range are corrected as the old server did, but not in silence. */
function correctionHeaders({ corrections }: MindsporeRequest): Record<string, string> {
  if (corrections.length === 0) return {};
  const texts = corrections.map(({ field, given, used }) => `${field}=${given}; used=${used}`);
  return { "x-corrected-parameters": texts.join(", ") };
}

/** A body that does not fit the schema is 422, as its web framework had it; clients read the text under `error`. */
function toErrorReply(error: TroupeError): ErrorReply {
  const isWrongBody = error.code === "invalid_request" || error.code === "unsupported";
  return {
    status: isWrongBody ? 422 : error.status,
    body: { error: error.message, error_type: error.code },
  };
}
