/** Asks an actor whose work is a function of what is sent: one that died in the middle of it is asked again once it is back. */
import type { Clock } from "../src/core/clock.ts";
import { isActorGone } from "./gone.ts";

/** A supervisor restarts an actor within seconds, or gives up. */
const MAX_TRIES = 20;
const RETRY_DELAY_MS = 250;

/**
 * @param shouldStop asked before another try; true makes this the last. Default: never
 * @throws TroupeError of the last try
 */
export async function askUntilUp<T>(
  clock: Clock,
  ask: () => Promise<T>,
  shouldStop: () => boolean = () => false,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!isActorGone(error) || attempt === MAX_TRIES || shouldStop()) throw error;
      // not ctx.after: that waits for the actor's turn, which the handler that pauses here still has
      await new Promise<void>((resolve) => clock.schedule(RETRY_DELAY_MS, resolve));
    }
  }
}
