/** One request of a StreamClient: what it says next on a new connection, and the pieces that wait for its reader. */
import { EventQueue } from "../core/event-queue.ts";
import type { TroupeError } from "../errors/troupe-error.ts";
import type { StreamEvent, StreamRequest } from "./stream-messages.ts";

/** Lives from its `generate` message to its last event, over as many connections as it takes. */
export class OpenRequest {
  readonly id: string;
  readonly #request: StreamRequest;
  /** A browser cannot make a server wait, so what came is kept. */
  readonly #queue = new EventQueue<StreamEvent>();
  /** The name under which the server goes on without a connection; null until it has taken the request. */
  #stream: string | null = null;
  /** Number of the last message that came. */
  #after = -1;
  #isRunning = true;

  constructor(id: string, request: StreamRequest) {
    this.id = id;
    this.#request = request;
  }

  /** False once it ended, however it did. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  get events(): AsyncIterable<StreamEvent> {
    return this.#queue;
  }

  /** What is to be said on a new connection: the request itself, or where to go on. */
  nextMessage(): object {
    return this.#stream === null
      ? { ...this.#request, type: "generate", id: this.id, resumable: true }
      : { type: "resume", id: this.id, stream: this.#stream, after: this.#after };
  }

  cancelMessage(): object {
    return { type: "cancel", id: this.id };
  }

  started(stream: string): void {
    this.#stream = stream;
  }

  receive(event: StreamEvent, seq: number | null): void {
    if (seq !== null) this.#after = seq;
    this.#queue.push(event);
    if (event.type !== "done") return;
    this.#isRunning = false;
    this.#queue.end();
  }

  fail(error: TroupeError): void {
    this.#isRunning = this.#isRunning && error.code === "cancelled";
    this.#queue.fail(error);
  }
}
