/** A command line without a process: streams of its own, and an engine that answers with the words of its prompt. */
import { PassThrough, Readable, Writable } from "node:stream";
import type { CliContext, StopSignal } from "../../src/cli/cli-context.ts";
import type { CompileRequest, Services } from "../../src/cli/services.ts";
import type { TroupeConfig } from "../../src/config/config.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import type { Engine, GenerateRequest, GenerationEvent, ModelInfo } from "../../src/protocol/engine.ts";
import { stepFigures } from "../scheduling/step-figures.ts";

export const INFO: ModelInfo = {
  names: ["fake"],
  architecture: "FakeForCausalLM",
  precision: "fp32",
  kvDtype: "f32",
  maxModelLen: 128,
  maxNumSeqs: 32,
  deviceKind: "cpu",
  vocabSize: 100,
  hasTokenizer: true,
  hasChatTemplate: true,
  toolParser: null,
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
  defaultParams: { topK: 7 },
  createdAt: 0,
};

/** What a run was given and what happened. */
export interface FakeRun {
  readonly context: CliContext;
  readonly requests: GenerateRequest[];
  readonly configs: TroupeConfig[];
  /** Engine and server calls in order: start, listen, stop 0, close. */
  readonly events: string[];
  out(): string;
  err(): string;
  signal(name: StopSignal): void;
  /** Resolves when the output contains the text. */
  shown(text: string): Promise<void>;
}

export interface FakeOptions {
  readonly args: readonly string[];
  /** Text on standard input, or the stream itself; a terminal when absent. */
  readonly input?: string | PassThrough;
  readonly info?: Partial<ModelInfo>;
  readonly cwd?: string;
  readonly services?: Partial<Services>;
  /** Awaited before each word of an answer. */
  readonly beforeWord?: (word: string, signal: AbortSignal | undefined) => Promise<void>;
}

/** A server with one listener that nobody stops over HTTP. */
export const NOT_STOPPED = {
  management: null,
  metrics: null,
  stopRequested: Promise.withResolvers<"drain" | "force">().promise,
} as const;

export function fakeRun(options: FakeOptions): FakeRun {
  const events: string[] = [];
  const requests: GenerateRequest[] = [];
  const configs: TroupeConfig[] = [];
  const listeners = new Set<(signal: StopSignal) => void>();
  const out = new TextSink();
  const err = new TextSink();
  const info = { ...INFO, ...options.info };
  const engine = fakeEngine(info, requests, events, options.beforeWord);
  const services: Services = {
    startEngine: async (config, onProgress) => {
      configs.push(config);
      onProgress({ done: 1, total: 1, label: "layer 1" });
      events.push("start");
      return engine;
    },
    checkAddress: async () => undefined,
    startServer: async (_engine, config) => {
      events.push("listen");
      return {
        ...NOT_STOPPED,
        url: `http://127.0.0.1:${config.server.port || 4321}`,
        close: async ({ drainMs }) => void events.push(`close ${drainMs}`),
      };
    },
    startServables: async () => {
      throw new TroupeError("unsupported", "This run has no servables.");
    },
    compile: async (request: CompileRequest) => {
      request.onProgress({ done: 1, total: 2, label: "layer 1" });
      return { folder: `cache of ${request.precision}`, weightBytes: 2048, wasCompiled: true };
    },
    inspect: async () => {
      throw new TroupeError("invalid_model", "config.json is missing");
    },
    exportModel: async ({ outputDir, onProgress }) => {
      onProgress({ done: 1, total: 2, label: "prefill" });
      return { folder: outputDir, weightBytes: 2048 };
    },
    writeWeights: async ({ outputDir, onProgress }) => {
      onProgress({ done: 1, total: 2, label: "layer 1" });
      return { folder: outputDir, weightBytes: 2048, wasWritten: true, isIdentical: null };
    },
    planStrategy: async (_modelDir, size) => `{ "tp": ${size} }\n`,
    isSplit: async () => true,
    ...options.services,
  };
  const stdin =
    options.input instanceof PassThrough
      ? options.input
      : Readable.from(options.input === undefined ? [] : [options.input]);
  const context: CliContext = {
    args: options.args,
    cwd: options.cwd ?? process.cwd(),
    stdin: Object.assign(stdin, { isTTY: options.input === undefined }),
    stdout: out,
    stderr: err,
    version: "1.2.3",
    onSignal(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    services,
  };
  return {
    context,
    requests,
    configs,
    events,
    out: () => out.text,
    err: () => err.text,
    signal: (name) => {
      for (const listener of listeners) listener(name);
    },
    shown: (text) => out.shown(text),
  };
}

class TextSink extends Writable {
  text = "";
  readonly #waiting: { text: string; resolve: () => void }[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    for (const { text, resolve } of this.#waiting) if (this.text.includes(text)) resolve();
    done();
  }

  shown(text: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.text.includes(text)) resolve();
      else this.#waiting.push({ text, resolve });
    });
  }
}

function fakeEngine(
  info: ModelInfo,
  requests: GenerateRequest[],
  events: string[],
  beforeWord: FakeOptions["beforeWord"],
): Engine {
  async function* generate(
    request: GenerateRequest,
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<GenerationEvent> {
    requests.push(request);
    const words = wordsOf(request);
    if (words[0] === "fail") throw new TroupeError("prompt_too_long", "The prompt is too long.");
    yield {
      kind: "prompt",
      requestId: "r",
      promptIds: [1],
      promptText: words.join(" "),
      promptLogprobs: null,
    };
    for (const [index, word] of words.entries()) {
      await beforeWord?.(word, options.signal);
      if (options.signal?.aborted) throw new TroupeError("cancelled", "The caller cancelled.");
      yield {
        kind: "delta",
        index: 0,
        text: index === 0 ? word : ` ${word}`,
        tokenIds: [index + 10],
        logprobs: null,
      };
    }
    yield { kind: "finish", index: 0, finishReason: "stop", stopReason: null };
    yield { kind: "done", usage: { numPromptTokens: 1, numOutputTokens: words.length, numCachedTokens: 0 } };
  }
  return {
    info,
    generate,
    tokenize: async () => ({ ids: [], tokens: [] }),
    detokenize: async () => "",
    status: () => {
      throw new TroupeError("unsupported", "The fake engine has no status.");
    },
    inspect: () => {
      throw new TroupeError("unsupported", "The fake engine has no actors.");
    },
    snapshot: () => ({ pages: new Uint8Array(0), steps: [], totals: stepFigures() }),
    stop: async ({ drainMs } = {}) => void events.push(`stop ${drainMs}`),
  };
}

function wordsOf({ prompt }: GenerateRequest): string[] {
  if (prompt.kind === "ids") return prompt.ids.map(String);
  const text = prompt.kind === "text" ? prompt.text : (prompt.messages.at(-1)?.content ?? "");
  return text.toUpperCase() === text ? text.toLowerCase().split(" ") : text.split(" ");
}
