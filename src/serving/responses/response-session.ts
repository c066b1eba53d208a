/**
 * One WebSocket's side of the Responses API: lanes side by side, the responses of a lane one after another, the same
 * events as over HTTP. Remembers what was not to be stored, so that the conversation can go on from it.
 */
import { TroupeError, toTroupeError } from "../../errors/troupe-error.ts";
import type { ResponseEvent } from "../../protocol/openai/response-event.ts";
import type { ResponseRequest } from "../../protocol/openai/response-request.ts";
import {
  laneOf,
  onLane,
  type ResponseClientMessage,
  readResponseClientMessage,
  toResponseErrorMessage,
} from "../../protocol/openai/response-socket-messages.ts";
import type { Admission } from "../active-work.ts";
import type { Caller } from "../caller.ts";
import { toClientError } from "../client-error.ts";
import type { NumberedEvent } from "../live-stream.ts";
import { RESPONSES_PATH } from "../routes/responses.ts";
import type { ServingContext } from "../serving-context.ts";
import { type SocketChannel, SocketPort, type SocketSession } from "../socket-session.ts";
import type { ResponseService } from "./response-service.ts";
import { ResponseStore } from "./response-store.ts";

type ResumeMessage = ResponseClientMessage & { type: "resume" };
type Lane = string | undefined;
type Open = (signal: AbortSignal, job: Job) => Promise<AsyncIterable<NumberedEvent<ResponseEvent>>>;

/** A response that waits for its lane or is sent on it. */
interface Job {
  readonly lane: Lane;
  readonly controller: AbortController;
  readonly admission: Admission;
  /** Null before the engine has admitted it. */
  responseId: string | null;
}

/** @see docs/responses.md */
export class ResponseSession implements SocketSession {
  readonly #context: ServingContext;
  readonly #responses: ResponseService;
  readonly #caller: Caller;
  readonly #port: SocketPort;
  readonly #memory: ResponseStore;
  readonly #jobs = new Set<Job>();
  /** When the last response of each lane will have ended. */
  readonly #lanes = new Map<Lane, Promise<void>>();

  constructor(context: ServingContext, responses: ResponseService, channel: SocketChannel) {
    const { clock, limits } = context;
    this.#context = context;
    this.#responses = responses;
    this.#caller = channel;
    this.#port = new SocketPort(channel, limits.maxBufferedBytes);
    this.#memory = new ResponseStore({
      clock,
      maxBytes: limits.maxMessageBytes,
      ttlMs: Number.POSITIVE_INFINITY,
    });
  }

  get isIdle(): boolean {
    return this.#jobs.size === 0;
  }

  receive(text: string): void {
    const handle = (message: unknown): void => this.#handle(readResponseClientMessage(message));
    this.#port.receive(text, handle, (thrown, message) => this.#explain(laneOf(message), thrown));
  }

  receiveBinary(): void {
    this.#port.receiveBinary((thrown) => this.#explain(undefined, thrown));
  }

  /** Cancels everything that runs on this socket, except what can be taken up again. */
  close(): void {
    this.#port.close();
    const reason = new TroupeError("cancelled", "The WebSocket was closed.");
    for (const { controller } of this.#jobs) controller.abort(reason);
  }

  #handle(message: ResponseClientMessage): void {
    const { type, lane } = message;
    if (type === "create") this.#queue(lane, (signal, job) => this.#create(message.request, signal, job));
    else if (type === "cancel") this.#cancel(lane, message.responseId);
    else this.#queue(lane, (signal, job) => this.#resume(message, signal, job), null);
  }

  async #resume({ responseId, from }: ResumeMessage, signal: AbortSignal, job: Job): ReturnType<Open> {
    job.responseId = responseId;
    return this.#responses.read(responseId, this.#caller.owner, from, signal);
  }

  async #create(request: ResponseRequest, signal: AbortSignal, job: Job): ReturnType<Open> {
    const { owner, traceparent } = this.#caller;
    const { countUntil } = job.admission;
    const memory = this.#memory;
    const run = await this.#responses.create(request, { signal, owner, traceparent, countUntil, memory });
    job.responseId = run.id;
    return run.stream.read(0, signal);
  }

  #cancel(lane: Lane, responseId: string | null): void {
    // An unknown id is no error: the cancel may have crossed the response's end.
    const cancel = (id: string): void =>
      void this.#responses.cancel(id, this.#caller.owner).catch(() => undefined);
    if (responseId !== null) {
      cancel(responseId);
      return;
    }
    const reason = new TroupeError("cancelled", "Cancelled by the client.");
    for (const job of this.#jobs) {
      if (job.lane !== lane) continue;
      if (job.responseId === null) job.controller.abort(reason);
      else cancel(job.responseId);
    }
  }

  /** @param client whose limit it counts toward; null for what only reads on */
  #queue(lane: Lane, open: Open, client: string | null = this.#caller.client): void {
    const { maxRequestsPerSocket } = this.#context.limits;
    if (this.#jobs.size >= maxRequestsPerSocket) {
      const text = `This socket has ${maxRequestsPerSocket} responses in flight, its limit. Wait for one to end.`;
      throw new TroupeError("queue_full", text);
    }
    const controller = new AbortController();
    // A response that runs is cut by itself, and ends with an event that says so.
    const cut = (reason: TroupeError): void => {
      if (job.responseId === null) controller.abort(reason);
    };
    const admission = this.#context.work.add(cut, client ?? undefined);
    const job: Job = { lane, controller, admission, responseId: null };
    this.#jobs.add(job);
    const { logger, clock } = this.#context;
    const startMs = clock.now();
    const ended = (this.#lanes.get(lane) ?? Promise.resolve())
      .then(() => this.#run(job, open))
      .finally(() => {
        admission.finish();
        const durationMs = Math.round(clock.now() - startMs);
        logger.info(
          { requestId: job.responseId, path: RESPONSES_PATH, durationMs },
          "request on a WebSocket",
        );
      });
    this.#lanes.set(lane, ended);
    void ended.then(() => {
      if (this.#lanes.get(lane) === ended) this.#lanes.delete(lane);
    });
  }

  async #run(job: Job, open: Open): Promise<void> {
    const { lane, controller } = job;
    const { signal } = controller;
    try {
      signal.throwIfAborted();
      for await (const { event } of await open(signal, job)) {
        if ("response" in event && event.response.status !== "in_progress") this.#jobs.delete(job);
        await this.#port.send(onLane(lane, event));
      }
      this.#jobs.delete(job);
    } catch (thrown) {
      this.#jobs.delete(job);
      await this.#port.send(this.#explain(lane, signal.aborted ? signal.reason : thrown));
    }
  }

  #explain(lane: Lane, thrown: unknown): object {
    return toResponseErrorMessage(
      lane,
      toClientError(this.#context.logger, toTroupeError(thrown), lane ?? "none"),
    );
  }
}
