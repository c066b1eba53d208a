/** Does what an actor should not. */
import { defineActor } from "../../../src/runtime/actor-definition.ts";
import { type Latch, openLatch } from "../latch.ts";

export type RogueProtocol = {
  throwOutside: { message: null };
  rejectOutside: { message: null };
  exit: { message: number; reply: null };
  leaveHandle: { message: null; reply: null };
  answerWith: { message: "function" | "port"; reply: unknown };
  loop: { message: null };
  numLoops: { message: null; reply: number };
};

export default defineActor<
  RogueProtocol,
  { readonly stopped?: Latch },
  { numLoops: number; readonly stopped?: Latch }
>({
  init: (_ctx, args) => ({ numLoops: 0, ...args }),
  handlers: {
    throwOutside: () => {
      setImmediate(() => {
        throw new RangeError("outside");
      });
    },
    rejectOutside: () => void Promise.reject(new RangeError("outside")),
    exit(_state, exitCode) {
      process.exit(exitCode);
    },
    leaveHandle() {
      setInterval(() => undefined, 1000);
      return null;
    },
    answerWith: () => () => 1,
    loop(state, _message, ctx) {
      state.numLoops++;
      ctx.tell(ctx.self, "loop", null);
    },
    numLoops: (state) => state.numLoops,
  },
  onStop: (state) => {
    if (state.stopped !== undefined) openLatch(state.stopped);
  },
});
