/** What a client is told about a failure, and what the log keeps of it. */
import { TroupeError } from "../errors/troupe-error.ts";
import { readHttpError } from "./http-errors.ts";
import type { Logger } from "./logger.ts";

/** A bug's message and stack go to the log only; the client gets the id to look for. */
export function toClientError(logger: Logger, thrown: unknown, requestId: string): TroupeError {
  const known = readHttpError(thrown);
  if (known !== undefined && known.code !== "internal") {
    if (known.status >= 500)
      logger.warn({ code: known.code, requestId, reason: known.message }, "a request failed");
    return known;
  }
  logger.error({ err: thrown, requestId }, "a request failed by a bug");
  const message = `Internal error; the server's log has it under request ${requestId}.`;
  return new TroupeError("internal", message, { cause: thrown });
}
