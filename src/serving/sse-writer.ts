/** Writes server-sent events to a response of node:http, waiting for the client instead of buffering without bound. */
import type { ServerResponse } from "node:http";
import type { Clock, Timer } from "../core/clock.ts";
import type { TroupeError } from "../errors/troupe-error.ts";
import { toErrorObject } from "../protocol/openai/error-object.ts";
import { OutboundBuffer } from "./outbound-buffer.ts";

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  // Reverse proxies such as nginx would gather the tokens into larger pieces otherwise.
  "x-accel-buffering": "no",
} as const;

/** What an event says beside its data. */
export interface SseFields {
  readonly event?: string;
  readonly id?: string;
}

/** One JSON object as an event. */
export function toSseFrame(chunk: object, fields: SseFields = {}): string {
  return toDataFrame(JSON.stringify(chunk), fields);
}

/** One line of text as an event. */
export function toDataFrame(data: string, { event, id }: SseFields = {}): string {
  const name = event === undefined ? "" : `event: ${event}\n`;
  const place = id === undefined ? "" : `id: ${id}\n`;
  return `${name}${place}data: ${data}\n\n`;
}

/** The data of the event that ends every stream that did not fail. */
export const SSE_DONE = "[DONE]";

/** A line that clients skip. */
const KEEP_ALIVE = ": keep-alive\n\n";

/** What {@link writeSse} needs beside the frames. */
export interface SseOptions {
  /** Default: server-sent events. */
  readonly contentType?: string;
  /** What a silent stream sends; null sends nothing. Default: a comment. */
  readonly keepAlive?: string | null;
  /** Bytes that may wait for a slow client. */
  readonly maxBufferedBytes: number;
  readonly clock: Clock;
  /** A stream that is silent for this long says so with a comment, so that proxies keep the connection. */
  readonly keepAliveMs: number;
  /** Aborted when the client has gone away or the server cuts the response. */
  readonly signal: AbortSignal;
  /** What a thrown value means to the client. */
  readonly explain: (thrown: unknown) => TroupeError;
  /** The last event of a stream that failed; by default `{"error": ...}`. */
  readonly toErrorFrame?: (error: TroupeError) => string;
}

/**
 * Sends the headers at once, then each frame as it comes. A failure becomes a last event `{"error": ...}`, because the
 * status has already been sent. Never rejects.
 */
export async function writeSse(
  response: ServerResponse,
  frames: AsyncIterable<string>,
  options: SseOptions,
): Promise<void> {
  const { keepAlive = KEEP_ALIVE } = options;
  writeSseHead(response, options.contentType);
  response.flushHeaders();
  const buffer = new OutboundBuffer(options.maxBufferedBytes);
  const heartbeat = new Heartbeat(options, () => {
    if (keepAlive !== null && !response.destroyed && buffer.waitingBytes === 0) response.write(keepAlive);
  });
  const unblock = (): void => buffer.close();
  response.once("close", unblock);
  // A write that lost the race against the client's leaving; "close" follows.
  response.on("error", unblock);
  options.signal.addEventListener("abort", unblock, { once: true });
  try {
    for await (const frame of frames) {
      if (response.destroyed) return;
      heartbeat.restart();
      await send(response, buffer, frame);
      options.signal.throwIfAborted();
    }
  } catch (thrown) {
    if (response.destroyed) return;
    const error = options.explain(options.signal.aborted ? options.signal.reason : thrown);
    const { toErrorFrame = errorFrame } = options;
    response.write(toErrorFrame(error));
  } finally {
    heartbeat.stop();
    options.signal.removeEventListener("abort", unblock);
    response.end();
  }
}

/** What comes before the first frame, and all that there is for HEAD. */
export function writeSseHead(
  response: ServerResponse,
  contentType = HEADERS["content-type"] as string,
): void {
  response.writeHead(200, { ...HEADERS, "content-type": contentType });
}

/** Beats when nothing else was sent for a while, a request that waits in the queue among others. */
class Heartbeat {
  readonly #options: Pick<SseOptions, "clock" | "keepAliveMs">;
  readonly #beat: () => void;
  #timer: Timer;

  constructor(options: Pick<SseOptions, "clock" | "keepAliveMs">, beat: () => void) {
    this.#options = options;
    this.#beat = beat;
    this.#timer = this.#schedule();
  }

  restart(): void {
    this.#timer.cancel();
    this.#timer = this.#schedule();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #schedule(): Timer {
    const { clock, keepAliveMs } = this.#options;
    return clock.schedule(keepAliveMs, () => {
      this.#beat();
      this.#timer = this.#schedule();
    });
  }
}

function errorFrame(error: TroupeError): string {
  return toSseFrame({ error: toErrorObject(error) });
}

async function send(response: ServerResponse, buffer: OutboundBuffer, frame: string): Promise<void> {
  const bytes = Buffer.from(frame);
  await buffer.reserve(bytes.length);
  if (!response.destroyed) response.write(bytes, () => buffer.release(bytes.length));
}
