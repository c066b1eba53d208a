/**
 * An engine in memory for tests of the edge: scripted answers, token by token, one per pull. It honours everything the
 * Engine interface promises to its callers (admission at the first pull, n, best-effort logprobs, stop, cancel), and
 * lets a test hold it, fail it and count what was pulled.
 */
import { EventEmitter, once } from "node:events";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import type {
  Engine,
  EngineCounters,
  EngineSnapshot,
  EngineStatus,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  ModelInfo,
  Prompt,
  TextLogprobs,
  Tokenized,
} from "../../src/protocol/engine.ts";
import type { SystemInspection } from "../../src/runtime/actor-events.ts";
import { stepFigures } from "../scheduling/step-figures.ts";

/** What the fake answers. */
export interface Script {
  /** Tokens of each answer, by their text; longer than maxTokens is cut with `length`. */
  readonly tokens?: readonly string[];
  /** Thrown instead of the first event. */
  readonly refuse?: TroupeError;
  /** Thrown after this many tokens. */
  readonly fail?: { readonly afterTokens: number; readonly error: unknown };
  /** Holds the engine when an answer has so many tokens. */
  readonly holdAfterTokens?: number;
  readonly stopReason?: string | number | null;
}

const INFO: ModelInfo = {
  names: ["understudy", "org/understudy"],
  architecture: "llama",
  precision: "fp32",
  kvDtype: "f32",
  maxModelLen: 2048,
  maxNumSeqs: 32,
  deviceKind: "cpu",
  vocabSize: 0x110000,
  hasTokenizer: true,
  hasChatTemplate: true,
  toolParser: "hermes",
  eosTokenIds: [2],
  kvCache: { pageSize: 16, isPrefixCached: true },
  limits: {
    maxNumBatchedTokens: 256,
    maxPromptTokens: null,
    maxAnswerTokens: null,
    maxPrefillSeqs: null,
    maxPrefillTokens: null,
    numRanks: 1,
  },
  defaultParams: {},
  createdAt: 1_700_000_000,
};

const NO_DEAD_LETTERS = {
  "mailbox-full": 0,
  "actor-down": 0,
  "actor-not-found": 0,
  "actor-stopping": 0,
  "no-handler": 0,
};

export class FakeEngine implements Engine {
  readonly info: ModelInfo;
  /** What the next requests are answered with; a function sees the request. */
  script: Script | ((request: GenerateRequest) => Script) = {};
  state: EngineStatus["state"] = "ready";
  /** What {@link status} tells. */
  counters: EngineCounters = {
    promptTokens: 11,
    generationTokens: 22,
    prefixCacheQueries: 8,
    prefixCacheHits: 4,
    preemptions: 1,
    draftTokens: 0,
    acceptedTokens: 0,
    steps: 33,
    restarts: 0,
  };
  /** Every request, as it was submitted. */
  readonly requests: GenerateRequest[] = [];
  /** The traces that they came with. */
  readonly traces: (string | undefined)[] = [];
  /** Ids of requests that were cancelled. */
  readonly cancelled: string[] = [];
  /** Events handed over so far, all requests together. */
  numPulled = 0;
  numLive = 0;
  /** What `snapshot` shows. */
  pages = new Uint8Array(100);
  steps: EngineSnapshot["steps"] = [];
  totals: EngineSnapshot["totals"] = stepFigures({
    totalMs: 2000,
    executeMs: 1500,
    runMs: 1250,
    numRuns: 1518,
  });
  readonly #events = new EventEmitter();
  #held: Promise<void> | null = null;
  #release: (() => void) | null = null;

  constructor(info: Partial<ModelInfo> = {}) {
    this.info = { ...INFO, ...info };
    this.#events.setMaxListeners(0);
  }

  /** No further token until `release`. */
  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    this.#release = resolve;
    this.#changed();
  }

  get isHeld(): boolean {
    return this.#held !== null;
  }

  release(): void {
    this.#held = null;
    this.#release?.();
  }

  /** Resolves when `check` holds; looked at whenever something happened. */
  async until(check: (engine: FakeEngine) => boolean): Promise<void> {
    while (!check(this)) await once(this.#events, "change");
  }

  async *generate(request: GenerateRequest, options: GenerateOptions = {}): AsyncGenerator<GenerationEvent> {
    const id = request.requestId ?? `request-${this.requests.length}`;
    this.requests.push(request);
    this.traces.push(options.traceparent);
    this.#changed();
    const script = typeof this.script === "function" ? this.script(request) : this.script;
    if (script.refuse !== undefined) throw script.refuse;
    this.numLive++;
    let isComplete = false;
    try {
      for await (const event of this.#events_(id, request, script, options.signal)) {
        this.numPulled++;
        this.#changed();
        yield event;
      }
      isComplete = true;
    } finally {
      this.numLive--;
      if (!isComplete) this.cancelled.push(id);
      this.#changed();
    }
  }

  tokenize(prompt: Exclude<Prompt, { kind: "ids" }>): Promise<Tokenized> {
    const tokens = [...promptText(prompt)];
    return Promise.resolve({ ids: tokens.map(idOf), tokens });
  }

  detokenize(ids: readonly number[]): Promise<string> {
    return Promise.resolve(String.fromCodePoint(...ids));
  }

  status(): EngineStatus {
    return {
      state: this.state,
      numRunning: this.numLive,
      numWaiting: 0,
      numPages: 100,
      numFreePages: 75,
      counters: this.counters,
    };
  }

  inspect(): SystemInspection {
    const mailbox = { numMessages: 3, numBytes: 300, maxMessages: 10, maxBytes: 1000 };
    const actor = { name: "edge", supervisor: "engine", host: "inline", state: "running", mailbox } as const;
    const counts = { incarnation: 2, numRestarts: 1, numHandled: 5, numActive: 0, busyMs: 250 };
    const [state, numDeadLetters] = ["running", NO_DEAD_LETTERS] as const;
    return { state, actors: [{ ...actor, ...counts }], numDeadLetters, numPendingCalls: 0 };
  }

  snapshot(): EngineSnapshot {
    return { pages: this.pages.slice(), steps: this.steps, totals: this.totals };
  }

  stop(): Promise<void> {
    this.state = "stopped";
    return Promise.resolve();
  }

  async *#events_(
    requestId: string,
    request: GenerateRequest,
    script: Script,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<GenerationEvent> {
    const { params, prompt } = request;
    const promptText_ = promptText(prompt);
    const promptIds = prompt.kind === "ids" ? prompt.ids : [...promptText_].map(idOf);
    const promptLogprobs =
      params.promptLogprobs === null
        ? null
        : promptIds.map((tokenId, index) =>
            index === 0 ? null : logprobsOf(String.fromCodePoint(tokenId), params.promptLogprobs ?? 0),
          );
    yield { kind: "prompt", requestId, promptIds, promptText: promptText_, promptLogprobs };
    const all = script.tokens ?? ["Hello", " world", "!"];
    const limit = Math.min(all.length, params.maxTokens ?? all.length);
    for (let k = 0; k < limit; k++) {
      if (script.fail?.afterTokens === k) throw script.fail.error;
      if (script.holdAfterTokens === k) this.hold();
      for (let index = 0; index < params.n; index++) {
        await this.#permission(signal);
        const text = all[k]!;
        const logprobs = params.logprobs === null ? null : [logprobsOf(text, params.logprobs)];
        const isLast = k === limit - 1 && script.fail === undefined;
        const extras = { ...(isLast && { isLast }), ...(k === 0 && { queueMs: 2 }) };
        yield { kind: "delta", index, text, tokenIds: [idOf(text)], logprobs, ...extras };
      }
    }
    if (script.fail !== undefined && script.fail.afterTokens >= limit) throw script.fail.error;
    for (let index = 0; index < params.n; index++) {
      const finishReason = limit < all.length ? "length" : "stop";
      yield { kind: "finish", index, finishReason, stopReason: script.stopReason ?? null };
    }
    const usage = {
      numPromptTokens: promptIds.length,
      numOutputTokens: limit * params.n,
      numCachedTokens: Math.min(1, promptIds.length),
    };
    yield { kind: "done", usage, queueMs: 2 };
  }

  /** Waits while held; throws when the request is cancelled, held or not. */
  async #permission(signal: AbortSignal | undefined): Promise<void> {
    const cancelled = new TroupeError("cancelled", "Cancelled.");
    if (signal?.aborted) throw cancelled;
    if (this.#held === null) return;
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(cancelled);
    signal?.addEventListener("abort", onAbort, { once: true });
    await Promise.race([this.#held, promise]);
    signal?.removeEventListener("abort", onAbort);
  }

  #changed(): void {
    this.#events.emit("change");
  }
}

/** Every character (and every token's first character) is its own token id. */
function idOf(text: string): number {
  return text.codePointAt(0) ?? 0;
}

function promptText(prompt: Prompt): string {
  if (prompt.kind === "text") return prompt.text;
  if (prompt.kind === "ids") return String.fromCodePoint(...prompt.ids);
  return prompt.messages.map((message) => `<${message.role}>${message.content}`).join("");
}

function logprobsOf(text: string, numTop: number): TextLogprobs {
  const entry = (token: string, logprob: number, rank: number): TextLogprobs["top"][number] => ({
    tokenId: idOf(token),
    logprob,
    rank,
    text: token,
    bytes: [...Buffer.from(token)],
  });
  const top = Array.from({ length: numTop }, (_, k) =>
    k === 0 ? entry(text, -0.5, 1) : entry(`alt${k}`, -1 - k, k + 1),
  );
  return { ...entry(text, -0.5, 1), top };
}
