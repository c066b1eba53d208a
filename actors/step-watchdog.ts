/**
 * Reports a step that hangs: a model-agent inside native code can neither be interrupted nor asked, so all that is known
 * of it is that its answer does not come. It is then treated as failed: its supervisor stops it by the usual protocol,
 * which waits, and restarts the engine's actors if it parks after all; if not, the engine gives up and says so.
 */
import type { Timer } from "../src/core/clock.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import type { ActorContext } from "../src/runtime/actor-definition.ts";
import type { Protocol } from "../src/runtime/actor-types.ts";
import { describeSequence, type SequenceReport } from "../src/scheduling/sequence-report.ts";
import { modelAgent } from "./messages.ts";

/** What the watchdog needs of the scheduler's context. */
type Context = Pick<ActorContext<Protocol, unknown>, "after" | "fail" | "log">;

/** Watches one step. Cancel it when the step's tokens are there. */
export function watchStep(
  ctx: Context,
  step: number,
  timeoutMs: number,
  sequences: () => readonly SequenceReport[],
): Timer {
  return ctx.after(timeoutMs, () => reportHang(ctx, step, timeoutMs, sequences()));
}

function reportHang(
  ctx: Context,
  step: number,
  timeoutMs: number,
  sequences: readonly SequenceReport[],
): void {
  const details = { step, timeoutMs, sequences: sequences.map(describeSequence).join("\n") };
  const text = `Step ${step} has no result after engine.stepTimeoutMs (${timeoutMs} ms).`;
  ctx.log("error", text, details);
  // it is being stopped already when this finds nobody
  ctx.fail(modelAgent(0), new TroupeError("deadline_exceeded", text, { details })).catch(() => undefined);
}
