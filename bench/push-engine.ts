/**
 * An engine that costs next to nothing: in every turn of the event loop each request gets one token, as from a step of a
 * batch, unless its client lags. What a token costs beside it is the edge's own cost.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EventQueue } from "../src/core/event-queue.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import type {
  Engine,
  EngineSnapshot,
  EngineStatus,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  ModelInfo,
  Tokenized,
} from "../src/protocol/engine.ts";
import type { SystemInspection } from "../src/runtime/actor-events.ts";
import { createStepTimes, readStepTotals } from "../src/scheduling/step-times.ts";

const INFO: ModelInfo = {
  names: ["push"],
  architecture: "none",
  precision: "fp32",
  kvDtype: "f32",
  maxModelLen: 1 << 20,
  maxNumSeqs: 32,
  deviceKind: "cpu",
  vocabSize: 32_000,
  hasTokenizer: true,
  hasChatTemplate: true,
  toolParser: null,
  eosTokenIds: [2],
  kvCache: { pageSize: 16, isPrefixCached: false },
  limits: {
    maxNumBatchedTokens: 256,
    maxPromptTokens: null,
    maxAnswerTokens: null,
    maxPrefillSeqs: null,
    maxPrefillTokens: null,
    numRanks: 1,
  },
  defaultParams: {},
  createdAt: 0,
};
/** Events that may wait for a client, as in the real engine. */
const MARKS = { highWaterMark: 64, lowWaterMark: 16 };
/** A token of English has four characters. */
const WORDS = [" the", " of", " models", ",", " serve", " and", " token", "s", " in", ' "a"', "\n", " Grüße"];

interface Live {
  readonly queue: EventQueue<GenerationEvent>;
  readonly limit: number;
  isPaused: boolean;
  numTokens: number;
}

/** @see Engine */
export class PushEngine implements Engine {
  readonly info = INFO;
  readonly #live = new Set<Live>();
  #isTicking = false;

  async *generate(
    request: GenerateRequest,
    { signal }: GenerateOptions = {},
  ): AsyncGenerator<GenerationEvent> {
    const live: Live = {
      queue: new EventQueue<GenerationEvent>({
        ...MARKS,
        onHigh: () => {
          live.isPaused = true;
        },
        onLow: () => {
          live.isPaused = false;
        },
      }),
      limit: request.params.maxTokens ?? 1,
      isPaused: false,
      numTokens: 0,
    };
    const cancel = (): void => live.queue.fail(new TroupeError("cancelled", "Cancelled."));
    signal?.addEventListener("abort", cancel, { once: true });
    live.queue.push({
      kind: "prompt",
      requestId: request.requestId ?? "",
      promptIds: [1],
      promptText: "",
      promptLogprobs: null,
    });
    this.#live.add(live);
    if (!this.#isTicking) void this.#tick();
    try {
      yield* live.queue;
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#live.delete(live);
    }
  }

  async #tick(): Promise<void> {
    this.#isTicking = true;
    while (this.#live.size > 0) {
      let numPushed = 0;
      for (const live of this.#live) {
        if (live.isPaused) continue;
        push(live);
        numPushed++;
        if (live.numTokens === live.limit) this.#live.delete(live);
      }
      if (numPushed > 0) await new Promise(setImmediate);
      else await sleep(1);
    }
    this.#isTicking = false;
  }

  tokenize(): Promise<Tokenized> {
    return Promise.resolve({ ids: [1], tokens: ["a"] });
  }

  detokenize(): Promise<string> {
    return Promise.resolve("a");
  }

  status(): EngineStatus {
    const counters = {
      promptTokens: 0,
      generationTokens: 0,
      prefixCacheQueries: 0,
      prefixCacheHits: 0,
      preemptions: 0,
      draftTokens: 0,
      acceptedTokens: 0,
      steps: 0,
      restarts: 0,
    };
    return {
      state: "ready",
      numRunning: this.#live.size,
      numWaiting: 0,
      numPages: 1,
      numFreePages: 1,
      counters,
    };
  }

  inspect(): SystemInspection {
    const numDeadLetters = {
      "mailbox-full": 0,
      "actor-down": 0,
      "actor-not-found": 0,
      "actor-stopping": 0,
      "no-handler": 0,
    };
    return { state: "running", actors: [], numDeadLetters, numPendingCalls: 0 };
  }

  snapshot(): EngineSnapshot {
    return { pages: new Uint8Array(1), steps: [], totals: readStepTotals(createStepTimes()) };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

function push(live: Live): void {
  const text = WORDS[live.numTokens++ % WORDS.length]!;
  live.queue.push({ kind: "delta", index: 0, text, tokenIds: [live.numTokens], logprobs: null });
  if (live.numTokens < live.limit) return;
  live.queue.push({ kind: "finish", index: 0, finishReason: "length", stopReason: null });
  const usage = { numPromptTokens: 1, numOutputTokens: live.numTokens, numCachedTokens: 0 };
  live.queue.push({ kind: "done", usage });
  live.queue.end();
}
