/**
 * Runs the prompts of one client request on the engine, all at once: admits them together or not at all, merges their
 * events, meters them, and cancels what is left when the consumer leaves.
 */
import { invariant, TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import {
  type CollectedGeneration,
  GenerationCollector,
  type PromptEvent,
} from "../protocol/collected-generation.ts";
import type { GenerateOptions, GenerateRequest, GenerationEvent } from "../protocol/engine.ts";
import { checkPrompt } from "./check-prompt.ts";
import { mergeStreams } from "./merge-streams.ts";
import type { RequestMeter } from "./request-meter.ts";
import type { ServingContext } from "./serving-context.ts";

/** What a generation runs on. */
export type GenerationContext = Pick<
  ServingContext,
  "engine" | "metrics" | "limits" | "logger" | "logsPrompts"
>;

/** An event after the first, and the prompt it belongs to. */
export interface PromptedEvent {
  readonly promptIndex: number;
  readonly event: GenerationEvent;
}

/** Prompts that the engine has admitted. */
export interface Generation {
  readonly prompts: readonly PromptEvent[];
  /** To be iterated once. Leaving the loop cancels. */
  readonly events: AsyncIterable<PromptedEvent>;
}

/**
 * Resolves when every prompt is admitted.
 *
 * @param signal aborting it cancels all prompts.
 * @param traceparent the W3C trace that they belong to.
 * @throws TroupeError of the first prompt that was refused; the others are cancelled.
 */
export async function startGeneration(
  context: GenerationContext,
  requests: readonly GenerateRequest[],
  signal: AbortSignal,
  traceparent: string | null,
): Promise<Generation> {
  for (const { prompt } of requests) checkPrompt(context.limits, prompt);
  const stop = new AbortController();
  const options: GenerateOptions = {
    signal: AbortSignal.any([signal, stop.signal]),
    ...(traceparent !== null && { traceparent }),
  };
  const meters = requests.map(() => context.metrics.meterRequest(context.engine));
  const iterators: AsyncIterator<GenerationEvent>[] = [];
  try {
    for (const request of requests)
      iterators.push(context.engine.generate(request, options)[Symbol.asyncIterator]());
    const prompts = await Promise.all(iterators.map(firstEvent));
    if (context.logsPrompts) for (const prompt of prompts) logPrompt(context, prompt);
    return { prompts, events: remainingEvents(iterators, meters, stop) };
  } catch (thrown) {
    cancel(iterators, stop, thrown);
    fail(meters, thrown);
    throw thrown;
  }
}

/** Waits for the end and gathers whole answers. */
export async function collectGeneration(generation: Generation): Promise<CollectedGeneration[]> {
  const collectors = generation.prompts.map((prompt) => new GenerationCollector(prompt));
  for await (const { promptIndex, event } of generation.events) collectors[promptIndex]!.add(event);
  return collectors.map((collector) => collector.result());
}

function logPrompt({ logger }: GenerationContext, { requestId, promptText, promptIds }: PromptEvent): void {
  logger.info({ requestId, numTokens: promptIds.length, prompt: promptText ?? promptIds }, "prompt");
}

async function firstEvent(iterator: AsyncIterator<GenerationEvent>): Promise<PromptEvent> {
  const { value, done } = await iterator.next();
  invariant(done !== true && value.kind === "prompt", "a generation begins with its prompt event");
  return value;
}

async function* remainingEvents(
  iterators: readonly AsyncIterator<GenerationEvent>[],
  meters: readonly RequestMeter[],
  stop: AbortController,
): AsyncGenerator<PromptedEvent> {
  let failure: unknown = new TroupeError("cancelled", "The request was cancelled.");
  try {
    for await (const { source, item } of mergeStreams(iterators)) {
      meters[source]!.event(item);
      yield { promptIndex: source, event: item };
    }
    failure = null;
  } catch (thrown) {
    failure = thrown;
    throw thrown;
  } finally {
    if (failure !== null) {
      cancel(iterators, stop, failure);
      fail(meters, failure);
    }
  }
}

/**
 * The signal reaches a generator that waits for its next event, return() one that waits to be asked. Nobody waits for
 * them to end.
 */
function cancel(
  iterators: readonly AsyncIterator<GenerationEvent>[],
  stop: AbortController,
  reason: unknown,
): void {
  stop.abort(reason);
  for (const iterator of iterators) iterator.return?.().catch(() => undefined);
}

function fail(meters: readonly RequestMeter[], thrown: unknown): void {
  const { code } = toTroupeError(thrown);
  for (const meter of meters) meter.failed(code);
}
