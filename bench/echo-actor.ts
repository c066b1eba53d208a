/** Answers at once: what is left is the runtime and the hop. */
import { defineActor } from "../src/runtime/actor-definition.ts";
import type { ActorRef } from "../src/runtime/actor-types.ts";

export type EchoProtocol = {
  echo: { message: unknown; reply: unknown };
  count: { message: number };
  total: { message: null; reply: number };
  stream: { message: number; item: number };
  /** Asks another actor `num` times, one after the other; microseconds for each. */
  askOther: { message: { readonly other: ActorRef<EchoProtocol>; readonly num: number }; reply: number[] };
};

export default defineActor<EchoProtocol, null, { total: number }>({
  init: () => ({ total: 0 }),
  handlers: {
    echo: (_state, message) => message,
    count: (state, n) => {
      state.total += n;
    },
    total: (state) => state.total,
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
