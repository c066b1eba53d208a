/**
 * One WebSocket's side of the streaming protocol: many requests at once, each ending with one `done` or `error`. Knows
 * the protocol and the engine, not the WebSocket library.
 */
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { GenerateRequest, Usage } from "../protocol/engine.ts";
import { wireName } from "../protocol/openai/sampling-fields.ts";
import {
  type ClientMessage,
  decodeFrame,
  type FinishedChoice,
  idOf,
  readClientMessage,
  type ServerMessage,
  toDoneMessage,
  toErrorMessage,
  toTokenMessage,
} from "../protocol/stream-messages.ts";
import { toClientError } from "./client-error.ts";
import { startGeneration } from "./generation.ts";
import { OutboundBuffer } from "./outbound-buffer.ts";
import { checkModel, type ServingContext, toSamplingParams } from "./serving-context.ts";

/** What a session needs of its socket. */
export interface StreamChannel {
  /** Who is connected, for limits by client. */
  readonly client: string;
  /** Calls `onFlushed` when the bytes have left, or never will. */
  send(bytes: Buffer, onFlushed: () => void): void;
  /** Stops and starts reading what the client sends. */
  pauseReading(): void;
  resumeReading(): void;
}

/** Limits of one socket. */
export interface StreamLimits {
  readonly maxRequestsPerSocket: number;
  readonly maxBufferedBytes: number;
}

type GenerateMessage = ClientMessage & { type: "generate" };

/** @see docs/websocket.md */
export class StreamSession {
  readonly #context: ServingContext;
  readonly #limits: StreamLimits;
  readonly #channel: StreamChannel;
  readonly #outbound: OutboundBuffer;
  readonly #live = new Map<string, AbortController>();
  #numComplaints = 0;
  #isClosed = false;

  constructor(context: ServingContext, limits: StreamLimits, channel: StreamChannel) {
    this.#context = context;
    this.#limits = limits;
    this.#channel = channel;
    this.#outbound = new OutboundBuffer(limits.maxBufferedBytes);
  }

  /** True while nothing runs. */
  get isIdle(): boolean {
    return this.#live.size === 0;
  }

  /** A text frame came. */
  receive(text: string): void {
    let id: string | null = null;
    try {
      const decoded = decodeFrame(text);
      id = idOf(decoded);
      const message = readClientMessage(decoded, this.#context.engine.info);
      if (message.type === "generate") this.#begin(message);
      // An unknown id is no error: the cancel may have crossed the request's end.
      else this.#live.get(message.id)?.abort(new TroupeError("cancelled", "Cancelled by the client."));
    } catch (thrown) {
      void this.#complain(id, thrown);
    }
  }

  /** A binary frame came. */
  receiveBinary(): void {
    void this.#complain(
      null,
      new TroupeError("invalid_json", "Messages are JSON in text frames (got a binary frame)."),
    );
  }

  /** The socket is gone: cancels everything that runs on it. */
  close(): void {
    this.#isClosed = true;
    this.#outbound.close();
    const reason = new TroupeError("cancelled", "The WebSocket was closed.");
    for (const controller of this.#live.values()) controller.abort(reason);
  }

  #begin(message: GenerateMessage): void {
    const { id } = message;
    const { maxRequestsPerSocket } = this.#limits;
    if (this.#live.has(id)) {
      const text = `A request with the id ${JSON.stringify(id)} is running on this socket. It goes on; choose another id.`;
      throw new TroupeError("invalid_request", text, { details: { param: "id" } });
    }
    if (this.#live.size >= maxRequestsPerSocket) {
      const text = `This socket has ${maxRequestsPerSocket} requests in flight, its limit. Wait for one to end.`;
      throw new TroupeError("queue_full", text);
    }
    checkModel(this.#context, message.model);
    const params = toSamplingParams(this.#context, message.fields, wireName);
    const requestId = `stream-${this.#context.newId()}`;
    const controller = new AbortController();
    const finish = this.#context.work.add((reason) => controller.abort(reason), this.#channel.client);
    this.#live.set(id, controller);
    const request = { requestId, prompt: message.prompt, params };
    void this.#run(message, request, controller.signal).finally(finish);
  }

  async #run(message: GenerateMessage, request: GenerateRequest, signal: AbortSignal): Promise<void> {
    const { id } = message;
    try {
      const done = await this.#stream(message, request, signal);
      // Free before the client can read it, so that it may use the id again at once.
      this.#live.delete(id);
      await this.#send(done);
    } catch (thrown) {
      this.#live.delete(id);
      const error = toClientError(
        this.#context.logger,
        signal.aborted ? signal.reason : thrown,
        request.requestId ?? id,
      );
      await this.#send(toErrorMessage(id, error));
    }
  }

  async #stream(
    message: GenerateMessage,
    request: GenerateRequest,
    signal: AbortSignal,
  ): Promise<ServerMessage> {
    const { id, withTokenIds } = message;
    const generation = await startGeneration(this.#context, [request], signal);
    const choices: FinishedChoice[] = [];
    let usage: Usage = { numPromptTokens: 0, numOutputTokens: 0, numCachedTokens: 0 };
    for await (const { event } of generation.events) {
      if (event.kind === "done") usage = event.usage;
      if (event.kind === "finish")
        choices.push({
          index: event.index,
          finish_reason: event.finishReason,
          stop_reason: event.stopReason,
        });
      const token = event.kind === "delta" ? toTokenMessage(id, event, withTokenIds) : undefined;
      if (token !== undefined) await this.#send(token);
      signal.throwIfAborted();
    }
    return toDoneMessage(id, choices, usage, withTokenIds ? (generation.prompts[0]?.promptIds ?? []) : null);
  }

  /** A client that sends nonsense faster than it reads the answers is not read until it has caught up. */
  async #complain(id: string | null, thrown: unknown): Promise<void> {
    const error = toClientError(this.#context.logger, toTroupeError(thrown), id ?? "none");
    if (this.#outbound.isFull) this.#channel.pauseReading();
    this.#numComplaints++;
    await this.#send(toErrorMessage(id, error));
    if (--this.#numComplaints === 0 && !this.#isClosed) this.#channel.resumeReading();
  }

  async #send(message: ServerMessage): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(message));
    await this.#outbound.reserve(bytes.length);
    if (!this.#isClosed) this.#channel.send(bytes, () => this.#outbound.release(bytes.length));
  }
}
