/** Work that can be abandoned asks between its parts, since nothing can be stopped inside of a run. */
import { TroupeError } from "../errors/troupe-error.ts";

/**
 * @param what was abandoned: `The step was abandoned between two layers`
 * @throws TroupeError `not_ready` when the host stops
 */
export function checkStop(shouldStop: (() => boolean) | undefined, what: string): void {
  if (shouldStop?.() === true) throw new TroupeError("not_ready", `${what}: the engine is stopping.`);
}
