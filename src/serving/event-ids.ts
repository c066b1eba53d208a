/** Ids of server-sent events, `<stream>:<number>`: enough to find the stream again and to go on after the event. */
import { TroupeError } from "../errors/troupe-error.ts";

/** Where a stream is to be taken up. */
export interface StreamPlace {
  readonly streamId: string;
  /** Number of the first event that the client does not have. */
  readonly from: number;
}

/** @param number of the event, from 0. */
export function toEventId(streamId: string, number: number): string {
  return `${streamId}:${number}`;
}

/** @throws TroupeError `invalid_request` for an id that is none of ours. */
export function readEventId(eventId: string): StreamPlace {
  const [, streamId, number] = /^([\w-]{1,128}):(\d{1,12})$/.exec(eventId) ?? [];
  if (streamId !== undefined && number !== undefined) return { streamId, from: Number(number) + 1 };
  const shown = JSON.stringify(eventId.slice(0, 200));
  const message = `Last-Event-ID: expected the id of an event of this server, such as "chatcmpl-0a1b:41" (got ${shown}).`;
  throw new TroupeError("invalid_request", message, { details: { param: "Last-Event-ID" } });
}
