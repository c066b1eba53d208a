/** A link between two threads over a MessagePort. */
import { type MessagePort, receiveMessageOnPort, type Transferable } from "node:worker_threads";
import type { Envelope } from "../runtime/envelope.ts";
import type { Link } from "../runtime/link.ts";

export class PortLink implements Link {
  readonly #port: MessagePort;
  #onEnvelope: ((envelope: Envelope) => void) | null = null;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  post(envelope: Envelope, transfer?: readonly Transferable[]): void {
    this.#port.postMessage(envelope, transfer);
  }

  listen(onEnvelope: (envelope: Envelope) => void): void {
    this.#onEnvelope = onEnvelope;
    this.#port.on("message", onEnvelope);
  }

  drain(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#onEnvelope?.(received.message as Envelope);
    }
  }

  close(): void {
    this.#port.off("message", this.#onEnvelope ?? (() => undefined));
    this.#port.close();
  }
}
