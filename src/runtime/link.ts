/** A connection between two threads of a system, as the runtime needs it; hosts implement it. */
import type { Transferable } from "node:worker_threads";
import type { Envelope } from "./envelope.ts";

/** Ordered, reliable while both ends live, silent when the other end is gone. */
export interface Link {
  /** @throws when the envelope cannot be cloned. */
  post(envelope: Envelope, transfer?: readonly Transferable[]): void;
  /** Called once, before anything else. */
  listen(onEnvelope: (envelope: Envelope) => void): void;
  /** Hands over what has arrived and was not delivered yet, before returning. */
  drain(): void;
  close(): void;
}
