/** Runs a request of one of MindIE's dialects: one generation, shown in the request's own format. */
import type { Clock } from "../../core/clock.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { toMindieError } from "../../protocol/mindie/error-reply.ts";
import { type AnswerPiece, MindieAnswers } from "../../protocol/mindie/mindie-answers.ts";
import type { MindieRequest } from "../../protocol/mindie/mindie-request.ts";
import { MAX_STOPS, MINDIE_RANGES } from "../../protocol/mindie/parameters.ts";
import { type Generation, startGeneration } from "../generation.ts";
import type { HttpReply, HttpRequest } from "../http-exchange.ts";
import { checkModel, type ServingContext, toSamplingParams } from "../serving-context.ts";
import type { RunningRequests, StoppableRequest } from "./running-requests.ts";

/** What a request ends by, beside its own end. */
interface Ends {
  readonly request: StoppableRequest;
  readonly timeout: Timeout;
}

/**
 * Waits for admission, so that a refused request gets its own status, also when it asked for a stream.
 *
 * @throws TroupeError of the engine; `deadline_exceeded` after the request's own time-out
 */
export async function answerMindie(
  context: ServingContext,
  running: RunningRequests,
  request: MindieRequest,
  { signal, traceparent }: HttpRequest,
): Promise<HttpReply> {
  const { clock } = context;
  const startMs = clock.now();
  checkModel(context, request.model ?? null);
  const limits = { ranges: MINDIE_RANGES, maxStopStrings: MAX_STOPS };
  const params = toSamplingParams(context, request.fields, request.nameField, null, limits);
  const responseId = `mindie-${context.newId()}`;
  const ends = {
    request: running.enter(request.id ?? responseId),
    timeout: new Timeout(clock, request.timeoutMs ?? null),
  };
  const { prompt, promptCut } = request;
  const generate = {
    requestId: responseId,
    prompt,
    params,
    shortensAnswer: true,
    ...(promptCut && { promptCut }),
  };
  const abort = AbortSignal.any([signal, ends.request.signal, ends.timeout.signal]);
  const generation = await startGeneration(context, [generate], abort, traceparent).catch(
    (thrown: unknown) => {
      leave(ends);
      throw ends.timeout.signal.aborted ? ends.timeout.signal.reason : thrown;
    },
  );
  const { format } = request;
  const answers = new MindieAnswers(generation.prompts[0]!, params.n, startMs);
  const pieces = follow(generation, answers, ends, clock);
  if (request.isStreamed) {
    return {
      kind: "events",
      responseId,
      frames: toFrames(pieces, request, generation),
      ...(format.contentType !== undefined && { contentType: format.contentType, keepAlive: null }),
      toErrorFrame: (error) => format.failure(toMindieError(error).body),
    };
  }
  for await (const _ of pieces);
  return { kind: "json", responseId, body: format.whole(answers.result()) };
}

async function* follow(
  generation: Generation,
  answers: MindieAnswers,
  ends: Ends,
  clock: Clock,
): AsyncGenerator<AnswerPiece> {
  try {
    for await (const { event } of generation.events) {
      const piece = answers.add(event, clock.now());
      if (piece !== null) yield piece;
    }
  } catch (thrown) {
    if (ends.timeout.signal.aborted) throw ends.timeout.signal.reason;
    if (!ends.request.signal.aborted) throw thrown;
    yield* answers.stop();
  } finally {
    leave(ends);
  }
}

async function* toFrames(
  pieces: AsyncIterable<AnswerPiece>,
  { format }: MindieRequest,
  { prompts }: Generation,
): AsyncGenerator<string> {
  for await (const piece of pieces) yield format.piece(piece, prompts[0]!);
}

function leave({ request, timeout }: Ends): void {
  request.leave();
  timeout.cancel();
}

/** Aborts after a time; never without one. */
class Timeout {
  readonly #abort = new AbortController();
  readonly cancel: () => void;

  constructor(clock: Clock, ms: number | null) {
    const expire = (): void => {
      const message = `The request took longer than its timeout of ${(ms ?? 0) / 1000} s and was ended.`;
      this.#abort.abort(new TroupeError("deadline_exceeded", message));
    };
    const timer = ms === null ? null : clock.schedule(ms, expire);
    this.cancel = () => timer?.cancel();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }
}
