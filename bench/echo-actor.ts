/** Answers at once: what is left is the runtime and the hop. */
import { defineActor } from "../src/runtime/actor-definition.ts";
import type { ActorRef } from "../src/runtime/actor-types.ts";

export type EchoProtocol = {
  echo: { message: unknown; reply: unknown };
  count: { message: number };
  total: { message: null; reply: number };
  stream: { message: number; item: number };
  /** Starts a timer of 10 ms that is watched from now on. */
  watchTimer: { message: null };
  /** How much later than due the watched timer fired at worst, in milliseconds. */
  worstLateMs: { message: null; reply: number };
  /** Asks another actor `num` times, one after the other; microseconds for each. */
  askOther: { message: { readonly other: ActorRef<EchoProtocol>; readonly num: number }; reply: number[] };
};

const TIMER_MS = 10;

export default defineActor<EchoProtocol, null, { total: number; worstLateMs: number }>({
  init: () => ({ total: 0, worstLateMs: 0 }),
  handlers: {
    echo: (_state, message) => message,
    count: (state, n) => {
      state.total += n;
    },
    total: (state) => state.total,
    watchTimer(_state, _message, ctx) {
      let dueMs = performance.now() + TIMER_MS;
      ctx.every(TIMER_MS, (state) => {
        state.worstLateMs = Math.max(state.worstLateMs, performance.now() - dueMs);
        dueMs = performance.now() + TIMER_MS;
      });
    },
    worstLateMs: (state) => state.worstLateMs,
    async *stream(_state, num) {
      for (let n = 0; n < num; n++) yield n;
    },
    async askOther(_state, { other, num }, ctx) {
      const timesUs: number[] = [];
      for (let n = 0; n < num; n++) {
        const startedMs = performance.now();
        await ctx.ask(other, "echo", n);
        timesUs.push((performance.now() - startedMs) * 1000);
      }
      return timesUs;
    },
  },
});
