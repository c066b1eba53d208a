/** comlink's answer to the echo actor: a method called through a port. */
import { type MessagePort, workerData } from "node:worker_threads";
import { exposeControl } from "../src/hosts/control-channel.ts";

/** What the thread offers. */
export interface ComlinkEcho {
  echo(message: unknown): unknown;
}

const api: ComlinkEcho = { echo: (message) => message };
exposeControl(api, (workerData as { readonly port: MessagePort }).port);
