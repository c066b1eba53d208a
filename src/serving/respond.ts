/** From admitted prompts to a reply: the same events become one JSON body or a stream of server-sent events. */
import type { GenerateRequest, Usage } from "../protocol/engine.ts";
import type { Responder } from "../protocol/openai/responder.ts";
import type { StreamOptions } from "../protocol/openai/stream-options.ts";
import { sumUsage } from "../protocol/openai/usage.ts";
import { readEventId, toEventId } from "./event-ids.ts";
import { collectGeneration, type Generation, startGeneration } from "./generation.ts";
import type { HttpReply, HttpRequest } from "./http-exchange.ts";
import { openStream } from "./open-stream.ts";
import type { ServingContext } from "./serving-context.ts";
import { SSE_DONE, toDataFrame } from "./sse-writer.ts";

/** A request ready to run. */
export interface PreparedResponse {
  readonly id: string;
  readonly requests: readonly GenerateRequest[];
  readonly responder: Responder;
  readonly stream: StreamOptions;
}

/**
 * Waits for admission, so that a refused request gets its own status, also when it asked for a stream.
 *
 * @throws TroupeError of the engine.
 */
export async function respond(
  context: ServingContext,
  prepared: PreparedResponse,
  http: HttpRequest,
): Promise<HttpReply> {
  const { id: responseId, requests, responder, stream } = prepared;
  if (stream.isResumable) return await respondResumably(context, prepared, http);
  const generation = await startGeneration(context, requests, http.signal, http.traceparent);
  if (stream.isStreamed)
    return { kind: "events", responseId, frames: toFrames(toData(generation, responder)) };
  return { kind: "json", responseId, body: responder.whole(await collectGeneration(generation)) };
}

/**
 * Takes up a stream after the event that a client had last.
 *
 * @throws TroupeError `invalid_request` for an id that is none of ours, `not_found` for a stream that is forgotten.
 */
export function resume(context: ServingContext, lastEventId: string, http: HttpRequest): HttpReply {
  const { streamId, from } = readEventId(lastEventId);
  return { kind: "events", responseId: streamId, frames: toKeptFrames(context, streamId, from, http) };
}

async function respondResumably(
  context: ServingContext,
  { id, requests, responder }: PreparedResponse,
  http: HttpRequest,
): Promise<HttpReply> {
  const { signal, owner, traceparent } = http;
  const { clock, work, limits, eventStreams } = context;
  const open = await openStream({
    clock,
    work,
    begin: async (abort) => toData(await startGeneration(context, requests, abort, traceparent), responder),
    maxEvents: limits.maxStreamEvents,
    windowMs: limits.resumeWindowMs,
    isAwaited: true,
    endsWithReaders: true,
    signal,
  });
  http.countUntil(open.stream.ended);
  eventStreams.add(id, owner, open);
  return { kind: "events", responseId: id, frames: toKeptFrames(context, id, 0, http) };
}

function toKeptFrames(
  { eventStreams }: ServingContext,
  streamId: string,
  from: number,
  { owner, signal }: HttpRequest,
): AsyncIterable<string> {
  const events = eventStreams.read(streamId, owner, from, signal);
  return (async function* () {
    for await (const { number, event } of events)
      yield toDataFrame(event, { id: toEventId(streamId, number) });
  })();
}

async function* toFrames(data: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const item of data) yield toDataFrame(item);
}

/** The data of each event. */
async function* toData(generation: Generation, responder: Responder): AsyncGenerator<string> {
  const usages: Usage[] = [];
  yield* responder.opening(generation.prompts).map(toJson);
  for await (const { promptIndex, event } of generation.events) {
    if (event.kind === "done") usages.push(event.usage);
    if (event.kind !== "delta" && event.kind !== "finish") continue;
    for (const chunk of responder.step(promptIndex, event)) yield toJson(chunk);
  }
  yield* responder.closing(sumUsage(usages)).map(toJson);
  yield SSE_DONE;
}

function toJson(chunk: object): string {
  return JSON.stringify(chunk);
}
