/** Tasks for the tests of the pool. */
import { threadId, workerData } from "node:worker_threads";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { task } from "../../src/hosts/task-result.ts";

export const data = task((_: null): unknown => workerData);
export const double = task((n: number) => 2 * n);
export const failCoded = task((limit: number): number => {
  throw new TroupeError("prompt_too_long", "Too long.", {
    details: { limit },
    cause: new RangeError("inner"),
  });
});
export const failForeign = task((text: string): number => {
  throw new RangeError(text);
});
export const exit = task((code: number): number => process.exit(code));
export const unsendable = task(
  (_: null): unknown =>
    () =>
      1,
);
/** Waits until the gate opens. */
export const wait = task(async (gate: SharedArrayBuffer) => {
  await Atomics.waitAsync(new Int32Array(gate), 0, 0).value;
  return 1;
});
export const thread = task((_: null) => threadId);
/** Dies a little after it answered. */
export const throwLater = task((_: null) => {
  setTimeout(() => {
    throw new RangeError("later");
  }, 0);
  return threadId;
});
/** Opens a gate from a timer that fires while there is no task. */
export const openLater = task((gate: SharedArrayBuffer) => {
  setTimeout(() => {
    Atomics.store(new Int32Array(gate), 0, 1);
    Atomics.notify(new Int32Array(gate), 0);
  }, 1);
  return 1;
});
