/** `POST /v1/responses`, and one response: `GET`, `DELETE`, `POST .../cancel`, `GET .../input_items`. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { toInputItemList } from "../../protocol/openai/input-item-list.ts";
import { readResponseRequest } from "../../protocol/openai/response-request.ts";
import { readEventId } from "../event-ids.ts";
import { bodyModel, type HttpReply, type HttpRequest, type Route } from "../http-exchange.ts";
import { toResponseFrames } from "../responses/response-frames.ts";
import type { ResponseService } from "../responses/response-service.ts";

/** Also where the WebSocket listens. */
export const RESPONSES_PATH = "/v1/responses";

const flag = z.enum(["true", "false"]).optional();

/** Numbers and flags come as text; `include` is of no effect, because nothing is left out. */
const retrieveSchema = z.strictObject({
  stream: flag,
  starting_after: z
    .string()
    .regex(/^\d{1,12}$/, "expected the sequence_number of an event")
    .optional(),
  include: z.unknown().optional(),
  "include[]": z.unknown().optional(),
  include_obfuscation: flag,
});

/** All routes of the Responses API. */
export function responsesRoutes(responses: ResponseService): Route[] {
  const onOne = (route: Pick<Route, "method" | "handle"> & { readonly suffix?: string }): Route => ({
    // The response is the work. Who is at a limit, or waits while the server stops, must still be able to look and to cancel.
    isWork: false,
    method: route.method,
    path: `${RESPONSES_PATH}/:id${route.suffix ?? ""}`,
    handle: route.handle,
  });
  return [
    {
      method: "POST",
      path: RESPONSES_PATH,
      isWork: true,
      takesUp: true,
      modelOf: bodyModel,
      handle: (request) => create(responses, request),
    },
    onOne({ method: "GET", handle: (request) => retrieve(responses, request) }),
    onOne({ method: "DELETE", handle: ({ pathId, owner }) => remove(responses, pathId, owner) }),
    onOne({
      method: "POST",
      suffix: "/cancel",
      handle: async ({ pathId, owner }) => ({ kind: "json", body: await responses.cancel(pathId, owner) }),
    }),
    onOne({
      method: "GET",
      suffix: "/input_items",
      handle: ({ pathId, owner, query }) => ({
        kind: "json",
        body: toInputItemList(responses.inputItems(pathId, owner), query),
      }),
    }),
  ];
}

async function create(responses: ResponseService, http: HttpRequest): Promise<HttpReply> {
  const { body, owner, lastEventId, signal } = http;
  if (lastEventId !== null) {
    const { streamId, from } = readEventId(lastEventId);
    return toResponseFrames(responses.read(streamId, owner, from, signal), streamId);
  }
  const request = readResponseRequest(body);
  const run = await responses.create(request, http);
  if (request.isStreamed) return toResponseFrames(run.stream.read(0, signal), run.id);
  if (request.isBackground) return { kind: "json", responseId: run.response.id, body: run.response };
  const leave = (): void => run.cancel(signal.reason as TroupeError);
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  await run.final;
  signal.removeEventListener("abort", leave);
  signal.throwIfAborted();
  if (run.failure !== null) throw run.failure;
  return { kind: "json", responseId: run.response.id, body: run.response };
}

function retrieve(responses: ResponseService, http: HttpRequest): HttpReply {
  const { pathId, owner, query, lastEventId, signal } = http;
  const wire = parse(retrieveSchema, query, { code: "invalid_request", what: "query" });
  if (wire.stream !== "true") {
    if (wire.starting_after !== undefined)
      throw new TroupeError(
        "invalid_request",
        '"starting_after" is only allowed together with "stream=true".',
        {
          details: { param: "starting_after" },
        },
      );
    return { kind: "json", body: responses.retrieve(pathId, owner) };
  }
  const from = lastEventId === null ? Number(wire.starting_after ?? -1) + 1 : readEventId(lastEventId).from;
  return toResponseFrames(responses.read(pathId, owner, from, signal), pathId);
}

function remove(responses: ResponseService, id: string, owner: string): HttpReply {
  responses.delete(id, owner);
  return { kind: "json", body: { id, object: "response", deleted: true } };
}
