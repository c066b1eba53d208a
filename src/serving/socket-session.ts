/**
 * What every protocol on a WebSocket shares: JSON in text frames, bounded sending, and patience with clients that send
 * nonsense. Knows neither the messages nor the WebSocket library.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import { decodeFrame } from "../protocol/stream-messages.ts";
import type { Caller } from "./caller.ts";
import { OutboundBuffer } from "./outbound-buffer.ts";

/** What a session needs of its socket. */
export interface SocketChannel extends Caller {
  /** Calls `onFlushed` when the bytes have left; never when the socket failed, whose `close` follows. */
  send(bytes: Buffer, onFlushed: () => void): void;
  /** Stops and starts reading what the client sends. */
  pauseReading(): void;
  resumeReading(): void;
}

/** A socket's session, as the adapter sees it. */
export interface SocketSession {
  /** True while nothing runs. */
  readonly isIdle: boolean;
  /** A text frame came. */
  receive(text: string): void;
  /** A binary frame came. */
  receiveBinary(): void;
  /** The socket is gone. */
  close(): void;
}

/** Begins a session on a socket that has just been opened. */
export type OpenSession = (channel: SocketChannel) => SocketSession;

/** The sending side of a session, and what it says to messages that make no sense. */
export class SocketPort {
  readonly #channel: SocketChannel;
  readonly #outbound: OutboundBuffer;
  #numComplaints = 0;
  #isClosed = false;

  /** @param maxBufferedBytes that may wait for a slow client. */
  constructor(channel: SocketChannel, maxBufferedBytes: number) {
    this.#channel = channel;
    this.#outbound = new OutboundBuffer(maxBufferedBytes);
  }

  /** Decodes a frame and hands it over; what `handle` throws goes to `explain` with the decoded message, if there is one. */
  receive(text: string, handle: (message: unknown) => void, explain: Explain): void {
    let message: unknown;
    try {
      message = decodeFrame(text);
      handle(message);
    } catch (thrown) {
      void this.complain(explain(thrown, message));
    }
  }

  receiveBinary(explain: Explain): void {
    const error = new TroupeError("invalid_json", "Messages are JSON in text frames (got a binary frame).");
    void this.complain(explain(error, undefined));
  }

  /** Waits while the client lags. */
  async send(message: object): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(message));
    await this.#outbound.reserve(bytes.length);
    if (!this.#isClosed) this.#channel.send(bytes, () => this.#outbound.release(bytes.length));
  }

  /** A client that sends nonsense faster than it reads the answers is not read until it has caught up. */
  async complain(message: object): Promise<void> {
    if (this.#outbound.isFull) this.#channel.pauseReading();
    this.#numComplaints++;
    await this.send(message);
    if (--this.#numComplaints === 0 && !this.#isClosed) this.#channel.resumeReading();
  }

  /** The socket is gone: nothing is sent and nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    this.#outbound.close();
  }
}

/** What a client is told about a message that could not be served. */
export type Explain = (thrown: unknown, message: unknown) => object;
