/** The text stage of an engine with a tokenizer: asks the tokenizer pool. */
import type { Clock } from "../src/core/clock.ts";
import type { TextStage } from "../src/requests/text-stage.ts";
import type { Messenger } from "../src/runtime/actor-types.ts";
import { askUntilUp } from "./ask-until-up.ts";
import { TOKENIZER_POOL } from "./messages.ts";

/** What the stage needs of an actor's context. */
type Context = Pick<Messenger, "ask"> & { readonly clock: Clock };

export function pooledTextStage(ctx: Context): TextStage {
  const retrying = <T>(call: () => Promise<T>): Promise<T> => askUntilUp(ctx.clock, call);
  return {
    prepare: (prompt, params, cuts) =>
      retrying(() => ctx.ask(TOKENIZER_POOL, "prepare", { prompt, params, cuts })),
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
