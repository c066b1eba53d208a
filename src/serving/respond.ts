/** From admitted prompts to a reply: the same events become one JSON body or a stream of server-sent events. */
import type { GenerateRequest, Usage } from "../protocol/engine.ts";
import type { Responder } from "../protocol/openai/responder.ts";
import { sumUsage } from "../protocol/openai/usage.ts";
import { collectGeneration, type Generation, startGeneration } from "./generation.ts";
import type { HttpReply } from "./http-exchange.ts";
import type { ServingContext } from "./serving-context.ts";
import { SSE_DONE, toSseFrame } from "./sse-writer.ts";

/** A request ready to run. */
export interface PreparedResponse {
  readonly requests: readonly GenerateRequest[];
  readonly responder: Responder;
  readonly isStreamed: boolean;
}

/**
 * Waits for admission, so that a refused request gets its own status, also when it asked for a stream.
 *
 * @throws TroupeError of the engine.
 */
export async function respond(
  context: ServingContext,
  { requests, responder, isStreamed }: PreparedResponse,
  signal: AbortSignal,
): Promise<HttpReply> {
  const generation = await startGeneration(context, requests, signal);
  if (isStreamed) return { kind: "events", frames: toFrames(generation, responder) };
  return { kind: "json", body: responder.whole(await collectGeneration(generation)) };
}

async function* toFrames(generation: Generation, responder: Responder): AsyncGenerator<string> {
  const usages: Usage[] = [];
  yield* responder.opening(generation.prompts).map(toSseFrame);
  for await (const { promptIndex, event } of generation.events) {
    if (event.kind === "done") usages.push(event.usage);
    if (event.kind !== "delta" && event.kind !== "finish") continue;
    for (const chunk of responder.step(promptIndex, event)) yield toSseFrame(chunk);
  }
  yield* responder.closing(sumUsage(usages)).map(toSseFrame);
  yield SSE_DONE;
}
