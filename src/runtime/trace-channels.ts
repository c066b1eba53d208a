/**
 * The tracing hook: channels of node:diagnostics_channel, published to only while somebody listens. A channel belongs to
 * its thread: what an actor on a thread of its own does is published there (`node --import ./tracing.ts` runs a
 * subscriber in every thread).
 */
import { channel } from "node:diagnostics_channel";

/** What is sent: one way, with an answer, or with many. */
export type TracedOperation = "tell" | "ask" | "stream";

interface TracedMessage {
  readonly operation: TracedOperation;
  /** The receiver's name. */
  readonly actor: string;
  /** The kind of message. */
  readonly kind: string;
  /** The span of this message; null where nobody listened when it was sent. */
  readonly traceparent: string | null;
}

/**
 * Published on `troupe:actor:send`, before the message leaves.
 *
 * @example
 * ```ts
 * subscribe(TRACE_CHANNELS.send, (message) => console.log((message as TracedSend).parent));
 * ```
 */
export interface TracedSend extends TracedMessage {
  /** The span of the message whose handler sends this one. */
  readonly parent: string | null;
}

/**
 * Published on `troupe:actor:handled`, when a handler is done; for a stream when it has begun.
 *
 * @example
 * ```ts
 * subscribe(TRACE_CHANNELS.handled, (message) => console.log((message as TracedHandling).durationMs));
 * ```
 */
export interface TracedHandling extends TracedMessage {
  readonly incarnation: number;
  readonly durationMs: number;
  /** What the handler threw; null when it did not. */
  readonly error: unknown;
}

/**
 * Published on `troupe:actor:settled`, when an ask or a stream has ended on the caller's side.
 *
 * @example
 * ```ts
 * subscribe(TRACE_CHANNELS.settled, (message) => console.log((message as TracedSettling).error));
 * ```
 */
export interface TracedSettling extends TracedMessage {
  readonly durationMs: number;
  /** Why it failed; null when it did not. */
  readonly error: unknown;
}

/**
 * The names of the channels, for `subscribe` of node:diagnostics_channel.
 *
 * @example
 * ```ts
 * subscribe(TRACE_CHANNELS.handled, (message) => {
 *   const { actor, kind, durationMs } = message as TracedHandling;
 *   console.log(actor, kind, durationMs);
 * });
 * ```
 */
export const TRACE_CHANNELS = {
  send: "troupe:actor:send",
  handled: "troupe:actor:handled",
  settled: "troupe:actor:settled",
} as const;

const sendChannel = channel(TRACE_CHANNELS.send);
const handledChannel = channel(TRACE_CHANNELS.handled);
const settledChannel = channel(TRACE_CHANNELS.settled);

/** Whether this thread starts traces: somebody listens to a channel. */
export function isTracing(): boolean {
  return sendChannel.hasSubscribers || handledChannel.hasSubscribers || settledChannel.hasSubscribers;
}

export function traceSend(send: TracedSend): void {
  if (sendChannel.hasSubscribers) sendChannel.publish(send);
}

export function isTracingHandlers(): boolean {
  return handledChannel.hasSubscribers;
}

export function traceHandled(handling: TracedHandling): void {
  if (handledChannel.hasSubscribers) handledChannel.publish(handling);
}

export function traceSettled(settling: TracedSettling): void {
  if (settledChannel.hasSubscribers) settledChannel.publish(settling);
}
