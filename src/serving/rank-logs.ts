/** A file for each rank's records, beside the log of the whole program. */
import { accessSync, constants, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { LogConfig } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { LogSink } from "../runtime/actor-types.ts";
import { actorLog } from "./actor-log.ts";
import { createLogger } from "./logger.ts";

/** The name of a rank's agent. */
const RANK = /^(?:(engine-\d+)\/)?model-agent-(\d+)$/;

/**
 * Writes what rank K's agent says to worker_K.log in `rankDir`, from level debug on, and everything to `log` as before;
 * where there are several engines the file is engine-E-worker_K.log. Without a folder it is `log` itself. Files are appended to.
 *
 * @throws TroupeError `file_error` when the folder cannot be written to
 */
export function withRankLogs(log: LogSink, config: LogConfig): LogSink {
  const { rankDir } = config;
  if (rankDir === null) return log;
  // Before anything starts.
  checkFolder(rankDir);
  const ranks = new Map<string, LogSink>();
  return (record) => {
    const [actor, engine, rank] = RANK.exec(record.actor) ?? [];
    if (actor !== undefined) {
      const name = `${engine === undefined ? "" : `${engine}-`}worker_${rank}.log`;
      const sink = ranks.get(actor) ?? openLog(join(rankDir, name), config);
      ranks.set(actor, sink);
      sink(record);
    }
    log(record);
  };
}

function openLog(path: string, config: LogConfig): LogSink {
  const file = openSync(path, "a");
  const write = (line: string): void => void writeSync(file, line);
  return actorLog(createLogger({ ...config, level: "debug" }, { write, useColor: false }));
}

function checkFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const text = `Cannot write the logs of ranks to ${folder}: ${(cause as Error).message}. Choose another --log-dir.`;
    throw new TroupeError("file_error", text, { cause, details: { folder } });
  }
}
