/**
 * The JSON messages of the WebSocket `/v1/responses`: `response.create` as the openai package sends it, and ours for what
 * it has no message for, `response.cancel` and `response.resume`. The server answers with the events of response-events.ts.
 */
import { nearestName } from "../../core/nearest-name.ts";
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { type ErrorObject, toErrorObject } from "./error-object.ts";
import { type ResponseRequest, readResponseRequest } from "./response-request.ts";

/** Characters in the name of a lane. */
const MAX_LANE_LENGTH = 128;
const TYPES = ["response.create", "response.cancel", "response.resume"];

const lane = z.string().min(1).max(MAX_LANE_LENGTH).optional();
const laneObject = z.object({ stream_id: lane });
const cancelSchema = z.strictObject({
  type: z.literal("response.cancel"),
  response_id: z.string().optional(),
  stream_id: lane,
});
const resumeSchema = z.strictObject({
  type: z.literal("response.resume"),
  response_id: z.string(),
  starting_after: z.int().min(-1).nullish(),
  stream_id: lane,
});

/** A parsed message of a client. Lane undefined is the lane without a name. */
export type ResponseClientMessage =
  | { readonly type: "create"; readonly lane: string | undefined; readonly request: ResponseRequest }
  /** One response, or, when it is null, everything on the lane. */
  | { readonly type: "cancel"; readonly lane: string | undefined; readonly responseId: string | null }
  | {
      readonly type: "resume";
      readonly lane: string | undefined;
      readonly responseId: string;
      /** Number of the first event that the client does not have. */
      readonly from: number;
    };

/** A failure that is no response's own. */
export interface ResponseErrorMessage {
  readonly type: "error";
  readonly status: number;
  readonly error: ErrorObject;
  readonly stream_id?: string;
}

/** @throws TroupeError `invalid_request` or `unsupported`, naming the field. */
export function readResponseClientMessage(message: unknown): ResponseClientMessage {
  const { type, ...body } = (typeof message === "object" && message !== null ? message : {}) as {
    readonly type?: unknown;
  };
  if (type === "response.cancel") {
    const wire = parse(cancelSchema, message, { code: "invalid_request", what: "response.cancel" });
    return { type: "cancel", lane: wire.stream_id, responseId: wire.response_id ?? null };
  }
  if (type === "response.resume") {
    const wire = parse(resumeSchema, message, { code: "invalid_request", what: "response.resume" });
    const from = (wire.starting_after ?? -1) + 1;
    return { type: "resume", lane: wire.stream_id, responseId: wire.response_id, from };
  }
  if (type !== "response.create") throw unknownType(type);
  const { stream_id } = parse(laneObject, body, { code: "invalid_request", what: "response.create" });
  const { stream_id: _, ...fields } = body as { readonly stream_id?: unknown };
  const request = readResponseRequest({ ...fields, stream: true });
  if (request.isBackground)
    throw new TroupeError("unsupported", '"background" is not supported over WebSocket; use HTTP.', {
      details: { param: "background" },
    });
  return { type: "create", lane: stream_id, request };
}

/** The lane of a message that may be wrong otherwise, so that its error can name it. */
export function laneOf(message: unknown): string | undefined {
  const parsed = laneObject.safeParse(message);
  return parsed.success ? parsed.data.stream_id : undefined;
}

/** @see ResponseErrorMessage */
export function toResponseErrorMessage(lane: string | undefined, error: TroupeError): ResponseErrorMessage {
  return onLane(lane, { type: "error", status: error.status, error: toErrorObject(error) });
}

/** Names the lane in a message of the server, if it has a name. */
export function onLane<T extends object>(
  lane: string | undefined,
  message: T,
): T & { readonly stream_id?: string } {
  return lane === undefined ? message : { ...message, stream_id: lane };
}

function unknownType(type: unknown): TroupeError {
  const shown = JSON.stringify(type)?.slice(0, 100) ?? "none";
  if (type === "response.steer")
    return new TroupeError(
      "unsupported",
      '"response.steer" is not supported by this server. Cancel the response and create another.',
      { details: { param: "type" } },
    );
  const near = typeof type === "string" ? nearestName(type, TYPES) : undefined;
  const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
  const message = `A message is an object whose "type" is one of ${TYPES.join(", ")} (got ${shown}).${hint}`;
  return new TroupeError("invalid_request", message, { details: { param: "type" } });
}
