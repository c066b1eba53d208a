/** A file for each rank's records, beside the log of the whole program. */
import { mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { LogConfig } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { LogSink } from "../runtime/actor-types.ts";
import { actorLog } from "./actor-log.ts";
import { createLogger } from "./logger.ts";

/** The name of a rank's agent. */
const RANK = /^model-agent-(\d+)$/;

/**
 * Writes what rank K's agent says to worker_K.log in `rankDir`, from level debug on, and everything to `log` as before.
 * Without a folder it is `log` itself. Files are appended to.
 *
 * @throws TroupeError `file_error` when a file cannot be opened
 */
export function withRankLogs(log: LogSink, config: LogConfig): LogSink {
  const { rankDir } = config;
  if (rankDir === null) return log;
  const openRank = (rank: number): LogSink => {
    const file = openLog(rankDir, `worker_${rank}.log`);
    const write = (line: string) => void writeSync(file, line);
    return actorLog(createLogger({ ...config, level: "debug" }, { write, useColor: false }));
  };
  // The first at once: a folder that cannot be written to is told before anything starts.
  const ranks = [openRank(0)];
  return (record) => {
    const rank = RANK.exec(record.actor)?.[1];
    if (rank !== undefined) {
      ranks[Number(rank)] ??= openRank(Number(rank));
      ranks[Number(rank)]?.(record);
    }
    log(record);
  };
}

function openLog(folder: string, name: string): number {
  try {
    mkdirSync(folder, { recursive: true });
    return openSync(join(folder, name), "a");
  } catch (cause) {
    const text = `Cannot write the logs of ranks to ${folder}: ${(cause as Error).message}. Choose another --log-dir.`;
    throw new TroupeError("file_error", text, { cause, details: { folder } });
  }
}
