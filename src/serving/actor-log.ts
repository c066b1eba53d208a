/** Sends the log records of actors to the logger, with the actor's name beside the message. */
import type { LogSink } from "../runtime/actor-types.ts";
import type { Logger } from "./logger.ts";

export function actorLog(logger: Logger): LogSink {
  return ({ level, actor, message, fields }) => logger[level]({ actor, ...fields }, message);
}
