/** A latch in shared memory: works the same on one thread and between threads. */
export interface Latch {
  readonly word: Int32Array;
}

export function newLatch(): Latch {
  return { word: new Int32Array(new SharedArrayBuffer(4)) };
}

export function openLatch({ word }: Latch): void {
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
}

export function isOpen({ word }: Latch): boolean {
  return Atomics.load(word, 0) !== 0;
}

/** Does not block the thread. The port or interval that keeps the event loop alive is the caller's. */
export async function untilOpen({ word }: Latch): Promise<void> {
  const wait = Atomics.waitAsync(word, 0, 0);
  if (!wait.async) return;
  // waitAsync alone does not keep the event loop alive.
  const alive = setInterval(() => undefined, 1000);
  await wait.value;
  clearInterval(alive);
}
