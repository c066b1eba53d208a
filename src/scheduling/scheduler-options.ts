/** The scheduler's limits, and the check of a request against them before anything is changed. */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import type { KvCache } from "../kv/kv-cache.ts";
import type { BatchingOptions } from "./batching-options.ts";
import type { EngineRequest } from "./step-plan.ts";

/** Limits and policy of one scheduler. Counts are at least 1 unless said otherwise. */
export interface SchedulerOptions {
  /** Sequences in one step. */
  readonly maxNumSeqs: number;
  /** Tokens computed in one step, decodes and prefill chunks together. */
  readonly maxNumBatchedTokens: number;
  /** Logits rows in one step. */
  readonly maxLogitRows: number;
  /** Prompt and answer together, in tokens. */
  readonly maxModelLen: number;
  /** Longest answer; what asks for more gets this many. Null sets no limit. */
  readonly maxAnswerTokens: number | null;
  /** Requests that wait beyond those that a free slot takes in the next step. 0 is allowed. */
  readonly maxQueuedRequests: number;
  readonly policy: "continuous" | "static";
  readonly batching: BatchingOptions;
  /**
   * A prompt is computed in one step, however long, because the model attends to it in both directions or cannot go on
   * from a part of it: one may go beyond maxNumBatchedTokens in a step without another. No KV page may come from another
   * request then.
   */
  readonly wholePrompts: boolean;
  /** Tokens that one step may guess ahead, shared evenly by its sequences: with more than that none is guessed. 0 turns it off. */
  readonly maxDraftTokens: number;
  readonly vocabSize: number;
  readonly eosTokenIds: readonly number[];
}

/** @throws TroupeError `internal` on a limit that lets nothing run: the configuration was to refuse it */
export function checkOptions(options: SchedulerOptions): void {
  const { maxNumSeqs, maxNumBatchedTokens, maxLogitRows, maxModelLen, vocabSize } = options;
  const limits = { maxNumSeqs, maxNumBatchedTokens, maxLogitRows, maxModelLen, vocabSize };
  for (const [name, value] of Object.entries(limits))
    invariant(Number.isSafeInteger(value) && value >= 1, `${name} is ${value}, not an integer of at least 1`);
  const { maxQueuedRequests, maxDraftTokens } = options;
  for (const [name, value] of Object.entries({ maxQueuedRequests, maxDraftTokens }))
    invariant(Number.isSafeInteger(value) && value >= 0, `${name} is ${value}, not an integer >= 0`);
}

/**
 * The most tokens a sequence can have: what the model allows, or what all pages together hold. The last token drawn
 * needs no place in a page.
 */
export function maxSequenceTokens(options: SchedulerOptions, kv: KvCache): number {
  return Math.min(options.maxModelLen, kv.numPages * kv.pageSize + 1);
}

/** The request with its answer cut to the limit. */
export function withAnswerLimit(
  request: EngineRequest,
  { maxAnswerTokens }: SchedulerOptions,
): EngineRequest {
  const { params } = request;
  if (maxAnswerTokens === null || (params.maxTokens ?? Number.POSITIVE_INFINITY) <= maxAnswerTokens)
    return request;
  const minTokens = Math.min(params.minTokens, maxAnswerTokens);
  return { ...request, params: { ...params, maxTokens: maxAnswerTokens, minTokens } };
}

/**
 * Refuses what could never run, whatever else is in flight.
 *
 * @throws TroupeError `invalid_request`, `prompt_too_long`
 */
export function checkRequest(request: EngineRequest, options: SchedulerOptions, maxTokens: number): void {
  const { requestId, promptIds, params, resumed } = request;
  if (promptIds.length === 0) throw invalid(requestId, "has an empty prompt; send at least one token");
  for (const ids of [promptIds, ...(resumed ?? [])]) checkTokenIds(requestId, ids, options.vocabSize);
  if (params.bestOf > options.maxNumSeqs)
    throw invalid(
      requestId,
      `asks for ${params.bestOf} answers (best_of); at most ${options.maxNumSeqs} run at once`,
    );
  if (resumed !== undefined && resumed.length !== params.bestOf)
    throw invalid(requestId, `resumes ${resumed.length} answers, but has ${params.bestOf}`);
  if (options.wholePrompts && params.promptLogprobs !== null)
    throw invalid(
      requestId,
      "asks for log-probabilities of its prompt, which this model computes in one piece; leave prompt_logprobs and echo out",
    );
  checkLength(request, maxTokens);
}

function checkTokenIds(requestId: string, ids: Int32Array, vocabSize: number): void {
  const place = ids.findIndex((id) => id < 0 || id >= vocabSize);
  if (place < 0) return;
  const what = `has token id ${ids[place]} at position ${place}; ids are 0 to ${vocabSize - 1}`;
  throw invalid(requestId, what);
}

function checkLength({ requestId, promptIds, params }: EngineRequest, limit: number): void {
  const numPromptTokens = promptIds.length;
  const maxTokens = params.maxTokens;
  if (numPromptTokens + Math.max(1, maxTokens ?? 1) <= limit) return;
  const what =
    numPromptTokens + 1 > limit
      ? `The prompt has ${numPromptTokens} tokens; with at least one token of answer the limit is ${limit}. Shorten the prompt.`
      : `The prompt has ${numPromptTokens} tokens and max_tokens is ${maxTokens}; together the limit is ${limit}. ` +
        "Shorten the prompt or lower max_tokens.";
  throw new TroupeError("prompt_too_long", what, {
    details: { requestId, numTokens: numPromptTokens, maxTokens, limit },
  });
}

function invalid(requestId: string, what: string): TroupeError {
  return new TroupeError("invalid_request", `Request "${requestId}" ${what}.`, { details: { requestId } });
}
