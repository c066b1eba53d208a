/**
 * A client of the WebSocket `/v1/stream`: many requests over one connection, which is opened when it is needed and again
 * when it is lost. A request that ran when it was lost goes on after the last piece it had.
 */
import { type Clock, systemClock, type Timer } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { OpenRequest } from "./open-request.ts";
import { toServerError } from "./server-error.ts";
import {
  type DoneEvent,
  readServerMessage,
  type StreamEvent,
  type StreamRequest,
} from "./stream-messages.ts";

/** Where the server is, and how hard it is tried. */
export interface StreamClientOptions {
  /** As http://127.0.0.1:8000 or wss://example.com; the path is added. */
  readonly url: string;
  readonly apiKey?: string;
  /** Where there is no global WebSocket (Node 20): that of the package ws. */
  readonly WebSocket?: typeof WebSocket;
  /** Running requests fail when the connection could not be had again for this long. Default 30,000. */
  readonly giveUpAfterMs?: number;
  readonly clock?: Clock;
}

/** A whole answer; with n above 1 the first. */
export interface WholeAnswer {
  readonly text: string;
  readonly finishReason: string;
  readonly usage: DoneEvent["usage"];
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
const OPEN = 1;

/**
 * @example
 * ```ts
 * import { StreamClient } from "troupe/client";
 * const client = new StreamClient({ url: "http://127.0.0.1:8000" });
 * for await (const event of client.stream({ prompt: "Once upon a time", max_tokens: 32 }))
 *   if (event.type === "token") process.stdout.write(event.text);
 * client.close();
 * ```
 */
export class StreamClient {
  readonly #url: string;
  readonly #protocols: readonly string[];
  readonly #WebSocket: typeof WebSocket;
  readonly #clock: Clock;
  readonly #giveUpAfterMs: number;
  readonly #open = new Map<string, OpenRequest>();
  #socket: WebSocket | null = null;
  #timer: Timer | null = null;
  #delayMs = FIRST_DELAY_MS;
  /** When the connection was lost; null while it is there. */
  #lostAtMs: number | null = null;
  #numRequests = 0;
  #isClosed = false;

  constructor(options: StreamClientOptions) {
    this.#url = `${options.url.replace(/^http/, "ws").replace(/\/$/, "")}/v1/stream`;
    // A browser cannot send a header with it.
    this.#protocols =
      options.apiKey === undefined ? [] : ["troupe", `openai-insecure-api-key.${options.apiKey}`];
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#clock = options.clock ?? systemClock;
    this.#giveUpAfterMs = options.giveUpAfterMs ?? 30_000;
  }

  /**
   * Pieces of the answers as they come, then `done`. Leaving the loop, or aborting, cancels the request.
   *
   * @throws TroupeError with the server's code, or `connection_lost`, or `cancelled`
   */
  async *stream(
    request: StreamRequest,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<StreamEvent> {
    if (this.#isClosed) throw closed();
    const open = new OpenRequest(`client-${++this.#numRequests}`, request);
    const abort = (): void => open.fail(new TroupeError("cancelled", "The request was aborted."));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    this.#open.set(open.id, open);
    this.#send(open);
    try {
      yield* open.events;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#open.delete(open.id);
      if (open.isRunning && this.#isConnected) this.#write(open.cancelMessage());
    }
  }

  /** Waits for the whole answer. @throws as {@link stream} */
  async generate(
    request: StreamRequest,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<WholeAnswer> {
    let text = "";
    for await (const event of this.stream(request, options)) {
      if (event.type === "token") {
        if (event.index === 0) text += event.text;
        continue;
      }
      return { text, finishReason: event.choices[0]?.finish_reason ?? "stop", usage: event.usage };
    }
    throw new TroupeError("stream_broken", "The server ended the request without its last message.");
  }

  /** Closes the connection; requests that run fail with `cancelled`. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const open of this.#open.values()) open.fail(closed());
    this.#socket?.close();
    this.#socket = null;
  }

  get #isConnected(): boolean {
    return this.#socket?.readyState === OPEN;
  }

  #send(open: OpenRequest): void {
    if (this.#isConnected) this.#write(open.nextMessage());
    else if (this.#socket === null) this.#connect();
  }

  #write(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #connect(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const socket = new this.#WebSocket(this.#url, [...this.#protocols]);
    this.#socket = socket;
    socket.onopen = () => {
      this.#delayMs = FIRST_DELAY_MS;
      this.#lostAtMs = null;
      for (const open of this.#open.values()) this.#write(open.nextMessage());
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    // What went wrong is not told to scripts; "close" follows and says that it did.
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) this.#dropped(code, reason);
    };
  }

  #receive(data: unknown): void {
    const message = readServerMessage(data);
    if (message === null || message.id === null) return;
    const open = this.#open.get(message.id);
    if (open === undefined) return;
    if (message.kind === "started") open.started(message.stream);
    else if (message.kind === "event") open.receive(message.event, message.seq);
    else open.fail(toServerError(message.code, message.message));
  }

  /** Without anything to do the connection stays closed until the next request. */
  #dropped(code: number, reason: string): void {
    this.#socket = null;
    if (this.#isClosed || this.#open.size === 0) return;
    this.#lostAtMs ??= this.#clock.now();
    if (this.#clock.now() - this.#lostAtMs >= this.#giveUpAfterMs) {
      const why = reason === "" ? `code ${code}` : `code ${code}: ${reason}`;
      const text = `No connection to ${this.#url} for ${this.#giveUpAfterMs / 1000} s (${why}). Is the server there, and the key right?`;
      this.#lostAtMs = null;
      for (const open of this.#open.values()) open.fail(new TroupeError("connection_lost", text));
      return;
    }
    this.#timer = this.#clock.schedule(this.#delayMs, () => this.#connect(), { keepsAlive: true });
    this.#delayMs = Math.min(this.#delayMs * 2, MAX_DELAY_MS);
  }
}

function closed(): TroupeError {
  return new TroupeError("cancelled", "The client was closed.");
}
