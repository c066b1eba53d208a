/** MindIE's routes for operators, but for the one that stops the server. None of them changes anything. */
import { TroupeError, toTroupeError } from "../../errors/troupe-error.ts";
import { toMindieError } from "../../protocol/mindie/error-reply.ts";
import {
  loadMetrics,
  serverInfo,
  serviceConfig,
  serviceStatus,
  slotCount,
} from "../../protocol/mindie/queries.ts";
import type { HttpReply, HttpRequest, Route } from "../http-exchange.ts";
import { checkModel, type ServingContext, toSamplingParams } from "../serving-context.ts";

/** How long `/health/timed` waits without a number behind it, and at most. */
const MAX_PROBE_SECONDS = 600;

/** @param instance address of the listener, as `/metrics-json` shows it */
export function mindieManagementRoutes(context: ServingContext, instance: string): Route[] {
  const { metrics, version } = context;
  const route = (
    method: Route["method"],
    path: string,
    handle: (request: HttpRequest) => HttpReply | Promise<HttpReply>,
  ): Route => ({ method, path, isWork: false, handle, toErrorReply: toMindieError });
  /** Only while the server takes requests. */
  const query = (path: string, read: (request: HttpRequest) => object): Route =>
    route("GET", path, (request) => {
      checkReady(context);
      return { kind: "json", body: read(request) };
    });
  const probe = (path: string, check: (request: HttpRequest) => void = () => undefined): Route =>
    route("GET", path, (request) => {
      checkReady(context);
      check(request);
      return NOTHING;
    });
  const models = ["/v2/models/:id", "/v2/models/:id/versions/:version"];
  return [
    probe("/v2/health/live"),
    probe("/v2/health/ready"),
    ...models.flatMap((path) => [
      probe(`${path}/ready`, ({ pathId }) => void checkModel(context.forModel(pathId), pathId)),
      query(`${path}/getSlotCount`, ({ pathId }) => {
        const own = context.forModel(pathId);
        checkModel(own, pathId);
        return slotCount(own.engine.info, own.engine.status());
      }),
    ]),
    query("/info", () => serverInfo(context.engine.info, version)),
    route("GET", "/health/timed", ({ signal }) => probeWithin(context, MAX_PROBE_SECONDS, signal)),
    route("GET", "/health/timed-:id", ({ pathId, signal }) =>
      probeWithin(context, readSeconds(pathId), signal),
    ),
    route("GET", "/v1/config", () => ({ kind: "json", body: serviceConfig(context.engine.info) })),
    query("/v1/status", () => serviceStatus(context.engine.info, context.engine.status(), false)),
    query("/v2/status", () => serviceStatus(context.engine.info, context.engine.status(), true)),
    query("/metrics-json", () =>
      loadMetrics({ ...metrics.mindie.means, status: context.engine.status(), instance }),
    ),
    route("POST", "/v1/role/:id", refuseRole),
    route("POST", "/v2/role/:id", refuseRole),
  ];
}

const NOTHING: HttpReply = { kind: "text", contentType: "text/plain", body: "" };

/** @throws TroupeError `not_ready` */
function checkReady({ engine, work }: ServingContext): void {
  if (work.isClosing) throw new TroupeError("not_ready", "The service has been stopped.");
  const { state } = engine.status();
  if (state !== "ready") throw new TroupeError("not_ready", `The service is not ready: ${state}.`);
}

function readSeconds(text: string): number {
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= MAX_PROBE_SECONDS) return seconds;
  const message = `Max wait time is ${MAX_PROBE_SECONDS}, input is invalid or too long`;
  throw new TroupeError("not_found", message);
}

/** Whether a token is generated within that time. An engine with all hands full is healthy. */
async function probeWithin(
  context: ServingContext,
  seconds: number,
  signal: AbortSignal,
): Promise<HttpReply> {
  const healthy: HttpReply = { kind: "json", body: { status: "healthy" } };
  if (context.work.isClosing) return healthy;
  const late = new AbortController();
  const reason = new TroupeError("deadline_exceeded", `No token was generated within ${seconds} s.`);
  const timer = context.clock.schedule(seconds * 1000, () => late.abort(reason));
  try {
    await generateToken(context, AbortSignal.any([signal, late.signal]));
    return healthy;
  } catch (thrown) {
    if (toTroupeError(thrown).overloaded) return healthy;
    throw late.signal.aborted ? reason : thrown;
  } finally {
    timer.cancel();
  }
}

async function generateToken(context: ServingContext, signal: AbortSignal): Promise<void> {
  const { engine } = context;
  const ids = [context.engine.info.eosTokenIds[0] ?? 0];
  const params = toSamplingParams(context, { maxTokens: 1, temperature: 0 }, (field) => field);
  const events = engine.generate({ prompt: { kind: "ids", ids }, params }, { signal });
  for await (const event of events) if (event.kind === "done") return;
}

function refuseRole({ pathId }: HttpRequest): never {
  const message = `This server is no ${pathId} node: prefill and decode are not split between nodes here. Every server does both.`;
  throw new TroupeError("unsupported", message);
}
