/** What the runtime's errors say about whoever was asked. */
import { toTroupeError } from "../src/errors/troupe-error.ts";

/** The actor was not there, or went down before it answered; its next incarnation may answer. */
export function isActorGone(error: unknown): boolean {
  const { code } = toTroupeError(error);
  return code === "actor_down" || code === "actor_not_found";
}

/** Nobody answers any more: the actor is gone, its stream broke off with it, or the whole system has stopped. */
export function isAnswererGone(error: unknown): boolean {
  const { code } = toTroupeError(error);
  return isActorGone(error) || code === "stream_broken" || code === "system_stopped";
}
