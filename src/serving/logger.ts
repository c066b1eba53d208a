/** The adapter for pino. The log says who asked for what and how it went; prompts and answers are never written. */
import { type DestinationStream, destination, pino } from "pino";
import type { LogConfig } from "../config/config.ts";
import { formatLogLine } from "./pretty-log.ts";

/** Plain data beside a message; an Error stands under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What the server logs to. */
export interface Logger {
  trace(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  fatal(fields: LogFields, message: string): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** Which lines are written, and how. */
export type LineConfig = Pick<LogConfig, "level" | "format">;

/** Where the lines go instead of stderr. */
export interface LoggerOptions {
  readonly write?: (line: string) => void;
  /** Colours in pretty lines; by default when stderr is a terminal. */
  readonly useColor?: boolean;
}

/**
 * @example
 * ```ts
 * const logger = createLogger({ level: "info", format: "pretty" });
 * logger.info({ port: 8000 }, "listening"); // 12:00:00.000 INFO  listening port=8000
 * ```
 */
export function createLogger(config: LineConfig, options: LoggerOptions = {}): Logger {
  return pino(
    { level: config.level, base: null, timestamp: pino.stdTimeFunctions.epochTime },
    sink(config, options),
  );
}

function sink(config: LineConfig, options: LoggerOptions): DestinationStream {
  // Synchronous: the last lines before an exit are the ones that matter.
  const write = options.write ?? toStderr();
  if (config.format === "json") return { write };
  const useColor = options.useColor ?? (process.stderr.isTTY && process.env.NO_COLOR === undefined);
  return { write: (line) => write(formatLogLine(line, useColor)) };
}

function toStderr(): (line: string) => void {
  const stderr = destination({ dest: 2, sync: true });
  return (line) => void stderr.write(line);
}
