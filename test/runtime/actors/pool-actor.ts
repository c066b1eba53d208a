/** Two handlers at a time. */
import { defineActor } from "../../../src/runtime/actor-definition.ts";
import { type Latch, openLatch, untilOpen } from "../latch.ts";

export type PoolProtocol = {
  work: { message: { readonly entered: Latch; readonly release: Latch }; reply: number };
  crash: { message: null };
};

export default defineActor<PoolProtocol, null, { numActive: number; maxActive: number }>({
  concurrency: 2,
  init: () => ({ numActive: 0, maxActive: 0 }),
  handlers: {
    async work(state, { entered, release }) {
      state.maxActive = Math.max(state.maxActive, ++state.numActive);
      openLatch(entered);
      await untilOpen(release);
      state.numActive--;
      return state.maxActive;
    },
    crash() {
      throw new RangeError("the pool broke");
    },
  },
});
