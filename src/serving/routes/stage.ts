/** `GET /stage`: a live picture of the engine as server-sent events, made only while somebody watches. */
import type { Clock } from "../../core/clock.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { StageTeller } from "../../protocol/stage-frame.ts";
import type { HttpRequest, Route } from "../http-exchange.ts";
import { checkModel, type ServingContext } from "../serving-context.ts";
import { toSseFrame } from "../sse-writer.ts";

/** Time between two looks. */
export const STAGE_INTERVAL_MS = 250;
/** Of one model. Each viewer costs a copy of the page map every {@link STAGE_INTERVAL_MS}. */
export const MAX_STAGE_VIEWERS = 16;
/** Looks without news after which a comment shows that the connection is alive. */
const LOOKS_BETWEEN_SIGNS = 60;
const SIGN_OF_LIFE = ": still here\n\n";

/** Frames of {@link StageTeller}; a slow viewer gets fewer, larger ones. */
export function stageRoute(context: ServingContext): Route {
  const viewers: Viewers = { num: 0 };
  return {
    method: "GET",
    path: "/stage",
    isWork: false,
    modelOf,
    handle(request) {
      checkModel(context, modelOf(request));
      if (context.work.isClosing)
        throw new TroupeError("not_ready", "The server is stopping and takes no new viewers.");
      if (viewers.num >= MAX_STAGE_VIEWERS)
        throw new TroupeError("queue_full", `${viewers.num} viewers watch the stage, which is the limit.`);
      return { kind: "events", frames: frames(context, request.signal, viewers) };
    },
  };
}

/** `?model=`; without it the default model's engine is shown. */
function modelOf({ query }: HttpRequest): string | null {
  return typeof query.model === "string" ? query.model : null;
}

interface Viewers {
  num: number;
}

async function* frames(
  { engine, clock, work }: ServingContext,
  signal: AbortSignal,
  viewers: Viewers,
): AsyncGenerator<string, void, undefined> {
  const teller = new StageTeller();
  let numQuiet = 0;
  viewers.num++;
  try {
    // a model that was unloaded has nothing to show any more
    while (!work.isClosing && !signal.aborted && engine.status().state !== "stopped") {
      const frame = teller.next(engine, clock.now());
      numQuiet = frame === null ? numQuiet + 1 : 0;
      if (frame !== null) yield toSseFrame(frame);
      else if (numQuiet % LOOKS_BETWEEN_SIGNS === 0) yield SIGN_OF_LIFE;
      await pause(clock, signal);
    }
  } finally {
    viewers.num--;
  }
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = clock.schedule(STAGE_INTERVAL_MS, wake);
    signal.addEventListener("abort", wake, { once: true });
  });
}
