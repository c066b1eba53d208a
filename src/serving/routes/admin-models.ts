/** `/v1/admin/models`: which models there are, and loading and unloading them. Only for server.adminKeys. */
import { parse, z } from "../../core/schema.ts";
import type { TroupeError } from "../../errors/troupe-error.ts";
import { toErrorObject } from "../../protocol/openai/error-object.ts";
import type { ErrorReply, HttpReply, Route } from "../http-exchange.ts";
import type { ModelEntry } from "../model-registry.ts";
import type { ServingContext } from "../serving-context.ts";

const PATH = "/v1/admin/models";

const QUERY = z.object({
  drain_ms: z
    .string()
    .regex(/^\d{1,7}$/, "must be a whole number of milliseconds, at most 9999999")
    .optional(),
});

/** All of them. They are no work that a stopping server waits for: it gives up what is being loaded. */
export function adminModelRoutes({ models }: ServingContext): Route[] {
  const route = (method: Route["method"], path: string, handle: Route["handle"]): Route => ({
    method,
    path,
    isWork: false,
    isForAdmins: true,
    handle,
    toErrorReply,
  });
  const show = (entry: ModelEntry): object =>
    toWire(entry, "engine" in entry && entry.engine === models.default);
  return [
    route("GET", PATH, () => json({ object: "list", data: models.entries.map(show) })),
    route("POST", PATH, async ({ body }) => json(show(await models.load(body)))),
    route("DELETE", `${PATH}/*`, async ({ rest, query }) => {
      const { drain_ms } = parse(QUERY, query, { code: "invalid_request", what: "query" });
      const drainMs = drain_ms === undefined ? undefined : Number(drain_ms);
      const { names } = await models.unload(rest, drainMs);
      return json({ id: names[0], object: "model", deleted: true });
    }),
  ];
}

function json(body: object): HttpReply {
  return { kind: "json", body };
}

function toWire(entry: ModelEntry, isDefault: boolean): object {
  const { names, phase } = entry;
  const base = { id: names[0], object: "model", names, is_default: isDefault };
  if (phase === "loading") return { ...base, state: "loading" };
  if (phase === "failed") {
    const { code } = entry.error;
    const message = code === "internal" ? "A bug; the server's log has it." : entry.error.message;
    return { ...base, state: "failed", error: { code, message } };
  }
  const { info } = entry.engine;
  const { state, numRunning, numWaiting, numPages, numFreePages } = entry.engine.status();
  return {
    ...base,
    state: phase === "unloading" ? "unloading" : state,
    created: info.createdAt,
    architecture: info.architecture,
    precision: info.precision,
    kv_dtype: info.kvDtype,
    max_model_len: info.maxModelLen,
    num_requests_running: numRunning,
    num_requests_waiting: numWaiting,
    num_pages: numPages,
    num_free_pages: numFreePages,
  };
}

/** A folder that cannot be served is no failure of this server, which goes on. */
function toErrorReply(error: TroupeError): ErrorReply {
  const isOurs = error.status !== 500 || error.code === "internal";
  return { status: isOurs ? error.status : 422, body: { error: toErrorObject(error) } };
}
