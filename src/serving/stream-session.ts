/**
 * One WebSocket's side of the streaming protocol: many requests at once, each ending with one `done` or `error`. Knows
 * the protocol and the engine, not the WebSocket library.
 */
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { GenerateRequest, Usage } from "../protocol/engine.ts";
import { wireName } from "../protocol/openai/sampling-fields.ts";
import {
  type AnswerMessage,
  addressTo,
  type ClientMessage,
  type FinishedChoice,
  idOf,
  readClientMessage,
  toDoneMessage,
  toErrorMessage,
  toTokenMessage,
} from "../protocol/stream-messages.ts";
import type { Admission } from "./active-work.ts";
import type { Caller } from "./caller.ts";
import { toClientError } from "./client-error.ts";
import { type Generation, startGeneration } from "./generation.ts";
import { bodyModel } from "./http-exchange.ts";
import type { NumberedEvent } from "./live-stream.ts";
import { openStream } from "./open-stream.ts";
import { STREAM_PATH } from "./routes/socket-addresses.ts";
import { checkModel, type ServingContext, toSamplingParams } from "./serving-context.ts";
import { type SocketChannel, SocketPort, type SocketSession } from "./socket-session.ts";

/** Limits of one socket. */
export interface StreamLimits {
  readonly maxRequestsPerSocket: number;
  readonly maxBufferedBytes: number;
}

type GenerateMessage = ClientMessage & { type: "generate" };
type ResumeMessage = ClientMessage & { type: "resume" };
type Open = (signal: AbortSignal, admission: Admission) => Promise<AsyncIterable<object>>;

/** A request that is being answered on this socket. */
interface Live {
  /** Ends the answering here. */
  readonly controller: AbortController;
  /** Its name when it can be taken up again. */
  stream: string | null;
}

/** @see docs/websocket.md */
export class StreamSession implements SocketSession {
  readonly #context: ServingContext;
  readonly #limits: StreamLimits;
  readonly #caller: Caller;
  readonly #port: SocketPort;
  readonly #live = new Map<string, Live>();

  constructor(context: ServingContext, limits: StreamLimits, channel: SocketChannel) {
    this.#context = context;
    this.#limits = limits;
    this.#caller = channel;
    this.#port = new SocketPort(channel, limits.maxBufferedBytes);
  }

  get isIdle(): boolean {
    return this.#live.size === 0;
  }

  receive(text: string): void {
    const handle = (decoded: unknown): void => {
      const message = readClientMessage(decoded, this.#contextFor(decoded).engine.info);
      if (message.type === "generate") this.#generate(message);
      else if (message.type === "resume") this.#resume(message);
      else this.#cancel(message.id);
    };
    this.#port.receive(text, handle, (thrown, message) => this.#explain(idOf(message), thrown));
  }

  receiveBinary(): void {
    this.#port.receiveBinary((thrown) => this.#explain(null, thrown));
  }

  /** Cancels everything that runs on this socket, except what can be taken up again. */
  close(): void {
    this.#port.close();
    const reason = new TroupeError("cancelled", "The WebSocket was closed.");
    for (const { controller } of this.#live.values()) controller.abort(reason);
  }

  #generate(message: GenerateMessage): void {
    const { id } = message;
    this.#checkRoom(id);
    const context = this.#context.forModel(message.model);
    checkModel(context, message.model);
    const params = toSamplingParams(context, message.fields, wireName, message.format);
    const request = { requestId: `stream-${this.#context.newId()}`, prompt: message.prompt, params };
    if (message.isResumable) {
      const live = this.#begin(id, request.requestId, (signal, admission) =>
        this.#openResumable(context, message, request, signal, admission),
      );
      live.stream = request.requestId;
    } else this.#begin(id, request.requestId, (signal) => this.#answer(context, message, request, signal));
  }

  /** What a message may say depends on its model. */
  #contextFor(body: unknown): ServingContext {
    return this.#context.forModel(bodyModel({ body }));
  }

  #resume({ id, stream, from }: ResumeMessage): void {
    this.#checkRoom(id);
    const { owner } = this.#caller;
    const read: Open = async (signal) =>
      numbered(id, this.#context.messageStreams.read(stream, owner, from, signal));
    this.#begin(id, stream, read, null).stream = stream;
  }

  #cancel(id: string): void {
    const reason = new TroupeError("cancelled", "Cancelled by the client.");
    const live = this.#live.get(id);
    // An unknown id is no error: the cancel may have crossed the request's end.
    if (live?.stream != null) this.#context.messageStreams.cancel(live.stream, this.#caller.owner, reason);
    live?.controller.abort(reason);
  }

  #checkRoom(id: string): void {
    const { maxRequestsPerSocket } = this.#limits;
    if (this.#live.has(id)) {
      const text = `A request with the id ${JSON.stringify(id)} is running on this socket. It goes on; choose another id.`;
      throw new TroupeError("invalid_request", text, { details: { param: "id" } });
    }
    if (this.#live.size >= maxRequestsPerSocket) {
      const text = `This socket has ${maxRequestsPerSocket} requests in flight, its limit. Wait for one to end.`;
      throw new TroupeError("queue_full", text);
    }
  }

  /** @param client whose limit it counts toward; null for what only reads on */
  #begin(id: string, requestId: string, open: Open, client: string | null = this.#caller.client): Live {
    const controller = new AbortController();
    const admission = this.#context.work.add((reason) => controller.abort(reason), client ?? undefined);
    const live: Live = { controller, stream: null };
    this.#live.set(id, live);
    const { logger, clock } = this.#context;
    const startMs = clock.now();
    const answer = (): ReturnType<Open> => open(controller.signal, admission);
    void this.#run(id, requestId, answer, controller.signal).finally(() => {
      admission.finish();
      const durationMs = Math.round(clock.now() - startMs);
      logger.info(
        { requestId, clientRequestId: id, path: STREAM_PATH, durationMs },
        "request on a WebSocket",
      );
    });
    return live;
  }

  async #run(
    id: string,
    requestId: string,
    open: () => ReturnType<Open>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      for await (const message of await open()) {
        // Free before the client can read it, so that it may use the id again at once.
        if ("type" in message && message.type === "done") this.#live.delete(id);
        await this.#port.send(message);
        signal.throwIfAborted();
      }
      if (!this.#live.delete(id)) return;
      const text = "Nothing is left to send: the request has ended, and its last message was sent before.";
      await this.#port.send(toErrorMessage(id, new TroupeError("invalid_request", text)));
    } catch (thrown) {
      this.#live.delete(id);
      const reason = signal.aborted ? signal.reason : thrown;
      await this.#port.send(toErrorMessage(id, toClientError(this.#context.logger, reason, requestId)));
    }
  }

  async #answer(
    context: ServingContext,
    message: GenerateMessage,
    request: GenerateRequest,
    signal: AbortSignal,
  ): Promise<AsyncIterable<object>> {
    const { traceparent } = this.#caller;
    const generation = await startGeneration(context, [request], signal, traceparent);
    return addressed(message.id, toMessages(generation, message.withTokenIds));
  }

  async #openResumable(
    context: ServingContext,
    message: GenerateMessage,
    request: GenerateRequest & { readonly requestId: string },
    signal: AbortSignal,
    admission: Admission,
  ): Promise<AsyncIterable<object>> {
    const { clock, work, limits, messageStreams } = context;
    const { owner, traceparent } = this.#caller;
    const { requestId: stream } = request;
    const open = await openStream({
      clock,
      work,
      begin: async (abort) =>
        toMessages(await startGeneration(context, [request], abort, traceparent), message.withTokenIds),
      maxEvents: limits.maxStreamEvents,
      windowMs: limits.resumeWindowMs,
      isAwaited: true,
      endsWithReaders: true,
      signal,
    });
    admission.countUntil(open.stream.ended);
    messageStreams.add(stream, owner, open);
    const messages = numbered(message.id, messageStreams.read(stream, owner, 0, signal));
    return (async function* () {
      yield { type: "started", id: message.id, stream };
      yield* messages;
    })();
  }

  #explain(id: string | null, thrown: unknown): object {
    return toErrorMessage(id, toClientError(this.#context.logger, toTroupeError(thrown), id ?? "none"));
  }
}

async function* addressed(id: string, messages: AsyncIterable<AnswerMessage>): AsyncGenerator<object> {
  for await (const message of messages) yield addressTo(id, message);
}

async function* numbered(
  id: string,
  messages: AsyncIterable<NumberedEvent<AnswerMessage>>,
): AsyncGenerator<object> {
  for await (const { number, event } of messages) yield addressTo(id, event, number);
}

/** Everything that is said about one answered request. */
async function* toMessages(generation: Generation, withTokenIds: boolean): AsyncGenerator<AnswerMessage> {
  const choices: FinishedChoice[] = [];
  let usage: Usage = { numPromptTokens: 0, numOutputTokens: 0, numCachedTokens: 0 };
  for await (const { event } of generation.events) {
    if (event.kind === "done") usage = event.usage;
    if (event.kind === "finish") {
      const { index, finishReason, stopReason } = event;
      choices.push({ index, finish_reason: finishReason, stop_reason: stopReason });
    }
    const token = event.kind === "delta" ? toTokenMessage(event, withTokenIds) : undefined;
    if (token !== undefined) yield token;
  }
  yield toDoneMessage(choices, usage, withTokenIds ? (generation.prompts[0]?.promptIds ?? []) : null);
}
