/** The main module of every thread that a thread host starts. */
import { workerData } from "node:worker_threads";
import { exposeControl } from "./control-channel.ts";
import type { ThreadEntryData } from "./thread-control.ts";
import { ThreadWorker } from "./thread-worker.ts";

const { control } = workerData as ThreadEntryData;
const worker = new ThreadWorker(control);
// Unhandled rejections arrive here too. Without this the thread would end at once, with the actor's resources held.
process.on("uncaughtException", (error) => worker.crash(error));
exposeControl(worker, control);
