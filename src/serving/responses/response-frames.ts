/** Typed events as server-sent events. */
import type { TroupeError } from "../../errors/troupe-error.ts";
import { toErrorObject } from "../../protocol/openai/error-object.ts";
import type { ResponseEvent } from "../../protocol/openai/response-event.ts";
import { toEventId } from "../event-ids.ts";
import type { HttpReply } from "../http-exchange.ts";
import type { NumberedEvent } from "../live-stream.ts";
import { toSseFrame } from "../sse-writer.ts";

/** @param id of the response. */
export function toResponseFrames(
  events: AsyncIterable<NumberedEvent<ResponseEvent>>,
  id: string,
): HttpReply & { kind: "events" } {
  let next = 0;
  async function* frames(): AsyncGenerator<string> {
    for await (const { number, event } of events) {
      next = number + 1;
      yield toSseFrame(event, { event: event.type, id: toEventId(id, number) });
    }
  }
  const toErrorFrame = (error: TroupeError): string => {
    const { message, param, code } = toErrorObject(error);
    return toSseFrame({ type: "error", sequence_number: next, code, message, param }, { event: "error" });
  };
  return { kind: "events", frames: frames(), toErrorFrame };
}
