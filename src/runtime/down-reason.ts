/** Why an actor is down: as its callers get it, and as it crosses threads. */
import { decodeError, encodeError } from "../errors/error-codec.ts";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { DownReason } from "./actor-types.ts";
import type { EncodedDownReason } from "./envelope.ts";

/** What a caller of an actor that went down gets: `system_stopped` at a shutdown, else `actor_down`. */
export function downError(name: string, reason: DownReason): TroupeError {
  if (reason.kind === "shutdown") {
    return new TroupeError("system_stopped", `${name} is stopped: the system is shutting down.`);
  }
  const cause = reason.kind === "crash" ? reason.error : undefined;
  const text =
    cause === undefined ? `${name} is down (${reason.kind}).` : `${name} crashed: ${cause.message}`;
  return new TroupeError("actor_down", text, { cause, details: { actor: name, reason: reason.kind } });
}

/** A reason in the form that crosses threads. */
export function encodeDownReason(reason: DownReason): EncodedDownReason {
  return reason.kind === "crash" ? { kind: "crash", error: encodeError(reason.error) } : reason;
}

/** The reverse of {@link encodeDownReason}. */
export function decodeDownReason(reason: EncodedDownReason): DownReason {
  return reason.kind === "crash"
    ? { kind: "crash", error: toTroupeError(decodeError(reason.error)) }
    : reason;
}
