/**
 * The engine as everything above it sees it: the edge, the command line and programs in the same process all talk to
 * this interface, so the same request gives the same text everywhere.
 */
import type { EngineConfig, ToolParserName } from "../config/config.ts";
import type { DeviceKind } from "../config/device.ts";
import type { PromptCut } from "../core/cut-ids.ts";
import type { SystemInspection } from "../runtime/actor-events.ts";
import type { PositionLogprobs, SamplingParams } from "../sampling/sampling-params.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";
import type { StepFigures, StepTime } from "../scheduling/step-times.ts";

/** A turn of a conversation, as the model's chat template wants it. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string | null;
  /** Further fields (name, tool_calls, ...) are handed to the template as they are. */
  readonly [field: string]: unknown;
}

/** What the model continues. */
export type Prompt =
  | { readonly kind: "text"; readonly text: string; readonly addSpecialTokens?: boolean }
  | { readonly kind: "ids"; readonly ids: readonly number[] }
  | {
      readonly kind: "chat";
      readonly messages: readonly ChatMessage[];
      readonly tools?: readonly unknown[];
      /** Open the assistant's turn. Default true. */
      readonly addGenerationPrompt?: boolean;
      /** A template instead of the model's own. */
      readonly template?: string;
      /** More variables for the template. */
      readonly variables?: Readonly<Record<string, unknown>>;
    };

/** A request for n answers to one prompt. */
export interface GenerateRequest {
  /** Unique among requests in flight; chosen by the engine when absent. */
  readonly requestId?: string;
  readonly prompt: Prompt;
  readonly params: SamplingParams;
  /** A longer prompt is cut to so many tokens; absent, it is not cut. */
  readonly promptCut?: PromptCut;
  /** An answer that does not fit the context behind its prompt is shortened, not refused. Default false. */
  readonly shortensAnswer?: boolean;
}

/** A token's log-probabilities with the text each id stands for. */
export interface TextLogprobs extends PositionLogprobs {
  readonly text: string;
  /** Raw bytes of the token. */
  readonly bytes: readonly number[];
  readonly top: readonly (PositionLogprobs["top"][number] & {
    readonly text: string;
    readonly bytes: readonly number[];
  })[];
}

/** Token counts of a finished request. */
export interface Usage {
  readonly numPromptTokens: number;
  /** Of all answers that were returned. */
  readonly numOutputTokens: number;
  /** Prompt tokens found in the prefix cache. */
  readonly numCachedTokens: number;
}

/**
 * What a generation yields, in order: `prompt` once, then `delta` and `finish` for each answer (interleaved when n > 1;
 * after `finish` nothing more for that index), `done` last. A failure is thrown from the iterator as a TroupeError.
 */
export type GenerationEvent =
  | {
      readonly kind: "prompt";
      readonly requestId: string;
      readonly promptIds: readonly number[];
      /** The rendered prompt (null on token ids without a tokenizer). */
      readonly promptText: string | null;
      /** With params.promptLogprobs: one entry per prompt token, the first null. */
      readonly promptLogprobs: readonly (TextLogprobs | null)[] | null;
    }
  | {
      readonly kind: "delta";
      readonly index: number;
      /** Final text: no later token changes it. May be empty while a character is incomplete. */
      readonly text: string;
      readonly tokenIds: readonly number[];
      readonly logprobs: readonly TextLogprobs[] | null;
      /** The answer's `finish` comes next. */
      readonly isLast?: true;
      /** With an answer's first tokens: how long the prompt waited for its first step. */
      readonly queueMs?: number;
    }
  | {
      readonly kind: "finish";
      readonly index: number;
      readonly finishReason: FinishReason;
      /** The stop string or stop token id that ended it; null for an end-of-sequence token or another reason. */
      readonly stopReason: string | number | null;
    }
  | {
      readonly kind: "done";
      readonly usage: Usage;
      /** How long the prompt waited for its first step; absent when nobody measured it. */
      readonly queueMs?: number;
    };

/** What is served. */
export interface ModelInfo {
  /** Names that requests may use; the first is canonical. */
  readonly names: readonly string[];
  readonly architecture: string;
  readonly precision: string;
  /** Element type of keys and values. */
  readonly kvDtype: string;
  /** Longest prompt plus answer, in tokens. */
  readonly maxModelLen: number;
  /** Sequences that run at once; with replicas, on all of them. */
  readonly maxNumSeqs: number;
  /** What the model runs on. */
  readonly deviceKind: DeviceKind;
  readonly vocabSize: number;
  readonly hasTokenizer: boolean;
  readonly hasChatTemplate: boolean;
  /** How the model writes tool calls; null when it is not known. */
  readonly toolParser: ToolParserName | null;
  readonly eosTokenIds: readonly number[];
  readonly kvCache: KvCacheInfo;
  readonly limits: EngineLimits;
  /** Defaults from generation_config.json that apply when a request leaves a field out. */
  readonly defaultParams: Partial<SamplingParams>;
  /** Unix seconds when serving began. */
  readonly createdAt: number;
}

/** What the configuration allows; null where it sets no limit. */
export type EngineLimits = Pick<
  EngineConfig,
  "maxNumBatchedTokens" | "maxPromptTokens" | "maxAnswerTokens" | "maxPrefillSeqs" | "maxPrefillTokens"
> & {
  /** Ranks that the model is split over. */
  readonly numRanks: number;
};

/** The pool of KV pages, as far as it never changes. */
export interface KvCacheInfo {
  /** Tokens in a page. */
  readonly pageSize: number;
  readonly isPrefixCached: boolean;
}

/** A look at the engine, cheap enough for every scrape. */
export interface EngineStatus {
  readonly state: "starting" | "ready" | "recovering" | "draining" | "failed" | "stopped";
  readonly numRunning: number;
  readonly numWaiting: number;
  readonly numPages: number;
  readonly numFreePages: number;
  readonly counters: EngineCounters;
}

/** Totals since the start; they only grow. */
export interface EngineCounters {
  readonly promptTokens: number;
  readonly generationTokens: number;
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
  readonly preemptions: number;
  /** Tokens that steps guessed ahead. */
  readonly draftTokens: number;
  /** Of those, the ones that were drawn then. */
  readonly acceptedTokens: number;
  readonly steps: number;
  readonly restarts: number;
}

/** A closer look than {@link EngineStatus}: page by page and step by step. */
export interface EngineSnapshot {
  /** [numPages], each an index into PAGE_STATES (src/kv/page-map.ts): free, cached, used, shared. */
  readonly pages: Uint8Array;
  /** The last steps, oldest first. */
  readonly steps: readonly StepTime[];
  /** Sums over all steps since the start. */
  readonly totals: StepFigures;
}

/** The result of {@link Engine.tokenize}. */
export interface Tokenized {
  readonly ids: readonly number[];
  /** The vocabulary's own spelling of each token. */
  readonly tokens: readonly string[];
}

/**
 * How a generation is bound to its caller.
 *
 * @example
 * ```ts
 * engine.generate(request, { signal: AbortSignal.timeout(10_000), traceparent: headers.traceparent });
 * ```
 */
export interface GenerateOptions {
  /** Aborting it cancels the request. */
  readonly signal?: AbortSignal;
  /** The W3C trace that the request belongs to; every message to its actors carries it on. */
  readonly traceparent?: string;
}

/** A running engine. Every method rejects with a TroupeError. */
export interface Engine {
  readonly info: ModelInfo;
  /**
   * Generates; the request is admitted or refused (`queue_full`, `prompt_too_long`, `invalid_request`, `not_ready`)
   * when the first event is awaited. Leaving the loop (`break`, `return`) or aborting the signal cancels within a step
   * and frees the pages. A consumer that stops pulling pauses its own sequence, nobody else's.
   */
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncIterable<GenerationEvent>;
  /** Text or a conversation to ids. `unsupported` without a tokenizer. */
  tokenize(prompt: Exclude<Prompt, { kind: "ids" }>): Promise<Tokenized>;
  /** Ids to text, special tokens shown. `unsupported` without a tokenizer. */
  detokenize(ids: readonly number[]): Promise<string>;
  status(): EngineStatus;
  /** Every actor with its mailbox and its work so far; reading it disturbs none. */
  inspect(): SystemInspection;
  /** Reads shared memory and copies a byte for each page; no actor notices. */
  snapshot(): EngineSnapshot;
  /** Stops intake, lets running requests end until the deadline, cuts the rest, parks and ends every actor. */
  stop(options?: { readonly drainMs?: number }): Promise<void>;
}
