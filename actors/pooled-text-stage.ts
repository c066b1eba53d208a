/**
 * The text stage of an engine with a tokenizer: asks the tokenizer pool. Its work is a function of what is sent, so a
 * pool that died in the middle of it is asked again once it is back.
 */
import type { Clock } from "../src/core/clock.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import type { TextStage } from "../src/requests/text-stage.ts";
import type { Messenger } from "../src/runtime/actor-types.ts";
import { TOKENIZER_POOL } from "./messages.ts";

/** A supervisor restarts the pool within seconds, or gives up. */
const MAX_TRIES = 20;
const RETRY_DELAY_MS = 250;

/** What the stage needs of an actor's context. */
type Context = Pick<Messenger, "ask"> & { readonly clock: Clock };

export function pooledTextStage(ctx: Context): TextStage {
  // not ctx.after: that waits for the actor's turn, which the handler that pauses here still has
  const pause = (): Promise<void> => new Promise((resolve) => ctx.clock.schedule(RETRY_DELAY_MS, resolve));

  async function retrying<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        const isGone =
          error instanceof TroupeError && (error.code === "actor_down" || error.code === "actor_not_found");
        if (!isGone || attempt === MAX_TRIES) throw error;
        await pause();
      }
    }
  }

  return {
    prepare: (prompt, params) => retrying(() => ctx.ask(TOKENIZER_POOL, "prepare", { prompt, params })),
    advanceAll: (steps) =>
      retrying(() =>
        ctx.ask(
          TOKENIZER_POOL,
          "advanceAll",
          steps.map((step) => ({ ...step, state: step.state! })),
        ),
      ),
    textLogprobs: (positions) => retrying(() => ctx.ask(TOKENIZER_POOL, "textLogprobs", positions)),
  };
}
