/** What a message inherits from the one whose handler sends it. */

/** The trace and the time limit that nested sends take over. */
export interface CallScope {
  /** Of the message being handled; null when nobody traces. */
  readonly traceparent: string | null;
  /** Until its caller gives up; null when it waits for ever, or has its answer already. */
  remainingMs(): number | null;
}

/** Of what is sent from outside any handler. */
export const ROOT_SCOPE: CallScope = Object.freeze({ traceparent: null, remainingMs: () => null });

/** Of a handler that nobody waits for. */
export function tracedScope(traceparent: string | null): CallScope {
  return traceparent === null ? ROOT_SCOPE : { traceparent, remainingMs: () => null };
}
