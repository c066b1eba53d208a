/**
 * Notices that the parent process is gone. `npm start` runs a shell that runs us; npm passes SIGTERM to the shell, which
 * ends without passing it on, and a server nobody can see would hold the port.
 */
import type { Clock, Timer } from "../core/clock.ts";

const INTERVAL_MS = 500;

/**
 * Calls back once when the parent changes, as it does for an orphan.
 *
 * @param parentId reads the parent's process id: `() => process.ppid`
 * @returns how to end the watch
 */
export function watchParent(clock: Clock, parentId: () => number, onGone: () => void): () => void {
  const parent = parentId();
  let timer: Timer;
  const look = (): void => {
    if (parentId() !== parent) onGone();
    else timer = clock.schedule(INTERVAL_MS, look);
  };
  timer = clock.schedule(INTERVAL_MS, look);
  return () => timer.cancel();
}
