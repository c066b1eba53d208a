/** A model agent that never comes back from a step of its first life. */
import agent from "../../actors/model-agent.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";

const STUCK_AT_STEP = 30;

export default defineActor({
  ...agent,
  handlers: {
    ...agent.handlers,
    execute(state, message, ctx) {
      const isStuck = ctx.incarnation === 1 && message.batch.step === STUCK_AT_STEP;
      if (isStuck) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return agent.handlers.execute(state, message, ctx);
    },
  },
});
