/** The client of MindSpore Serving's LLM server, with its methods and defaults. Runs in Node and in browsers. */
import { TroupeError } from "../errors/troupe-error.ts";
import { type MindsporeChunk, readLines, readMindsporeFrames } from "./mindspore-frames.ts";
import { parseObject, readErrorResponse } from "./server-error.ts";

/** Where the server is, and how it is asked. */
export interface MindsporeClientOptions {
  /** The model's name in the path, as llama2. */
  readonly modelType: string;
  /** As http://127.0.0.1:9800. */
  readonly serverUrl: string;
  /** An API key. */
  readonly token?: string;
  /** How long a whole answer, or a stream, may take. Default 30,000 seconds, as in Python. */
  readonly timeoutMs?: number;
  /** Instead of the global one. */
  readonly fetch?: typeof fetch;
}

/** How the answer is drawn; what is left out takes the Python client's default. */
export interface MindsporeGenerateOptions {
  /** Default false; true for streams. */
  readonly doSample?: boolean;
  /** Default 1. */
  readonly repetitionPenalty?: number;
  /** Default 1. */
  readonly temperature?: number;
  /** Default 1. */
  readonly topK?: number;
  /** Default 1. */
  readonly topP?: number;
  /** Default 300. */
  readonly maxNewTokens?: number;
  /** Of streams: the last chunk has the whole text. Default true. */
  readonly returnFullText?: boolean;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal;
}

/** A whole answer. */
export interface MindsporeResponse {
  readonly generatedText: string;
}

const DEFAULT_TIMEOUT_MS = 30_000_000;

/**
 * @example
 * ```ts
 * import { MindsporeInferenceClient } from "troupe/client";
 * const client = new MindsporeInferenceClient({ modelType: "llama2", serverUrl: "http://127.0.0.1:9800" });
 * const { generatedText } = await client.generate("what is Monetary Policy?");
 * for await (const { token, generatedText } of client.generateStream("what is Monetary Policy?", { maxNewTokens: 200 }))
 *   console.log(token?.text ?? generatedText);
 * ```
 */
export class MindsporeInferenceClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #fetch: typeof fetch;

  constructor({ modelType, serverUrl, token, timeoutMs, fetch: ownFetch }: MindsporeClientOptions) {
    this.#url = `${serverUrl.replace(/\/$/, "")}/models/${encodeURIComponent(modelType)}`;
    this.#headers = {
      "content-type": "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#fetch = ownFetch ?? globalThis.fetch;
  }

  /** @throws TroupeError with the server's words, or `connection_lost` */
  async generate(prompt: string, options: MindsporeGenerateOptions = {}): Promise<MindsporeResponse> {
    const response = await this.#post(prompt, { doSample: false, ...options }, false);
    const text = parseObject(await response.text())?.generated_text;
    if (typeof text === "string") return { generatedText: text };
    throw new TroupeError(
      "internal",
      `${this.#url} answered without "generated_text"; is it a server of MindSpore Serving's routes?`,
    );
  }

  /**
   * Texts as they come, then the whole. Leaving the loop cancels the request.
   *
   * @throws TroupeError with the server's words, or `connection_lost`
   */
  async *generateStream(
    prompt: string,
    options: MindsporeGenerateOptions = {},
  ): AsyncGenerator<MindsporeChunk> {
    const returnFullText = options.returnFullText ?? true;
    const response = await this.#post(prompt, { doSample: true, ...options, returnFullText }, true);
    if (response.body === null) return;
    try {
      yield* readMindsporeFrames(readLines(response.body), returnFullText);
    } catch (error) {
      throw toLoss(error, this.#url);
    }
  }

  async #post(prompt: string, options: MindsporeGenerateOptions, stream: boolean): Promise<Response> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
    const body = JSON.stringify({ inputs: prompt, parameters: toParameters(options), stream });
    const request = { method: "POST", headers: this.#headers, body, signal };
    const response = await this.#fetch.call(globalThis, this.#url, request).catch((error: unknown) => {
      throw toLoss(error, this.#url);
    });
    if (!response.ok) throw await readErrorResponse(response);
    return response;
  }
}

function toParameters(options: MindsporeGenerateOptions): object {
  return {
    do_sample: options.doSample,
    repetition_penalty: options.repetitionPenalty ?? 1,
    temperature: options.temperature ?? 1,
    top_k: options.topK ?? 1,
    top_p: options.topP ?? 1,
    max_new_tokens: options.maxNewTokens ?? 300,
    return_full_text: options.returnFullText,
    seed: options.seed,
    stop: options.stop,
  };
}

/** fetch rejects with a TypeError for everything between here and the server; an abort stays what it is. */
function toLoss(error: unknown, url: string): unknown {
  if (!(error instanceof TypeError)) return error;
  const reason = error.cause instanceof Error ? error.cause.message : error.message;
  return new TroupeError("connection_lost", `The connection to ${url} failed or was lost: ${reason}.`, {
    cause: error,
  });
}
