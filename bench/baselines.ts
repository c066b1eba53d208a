/** What the runtime is compared with: a thread that answers over a bare port, and the same through comlink. */
import { MessageChannel, Worker } from "node:worker_threads";
import { siblingModule } from "../src/core/sibling-module.ts";
import { connectControl } from "../src/hosts/control-channel.ts";
import type { ComlinkEcho } from "./comlink-echo.ts";

/** Something that echoes on a thread of its own. */
export interface Baseline extends AsyncDisposable {
  echo(message: unknown): Promise<unknown>;
}

/** Answers come in the order of the questions, so a queue of waiters is all that a bare port needs. */
export function rawBaseline(): Baseline {
  const worker = new Worker(siblingModule(import.meta.url, "./raw-echo"));
  const waiting: ((value: unknown) => void)[] = [];
  let head = 0;
  worker.on("message", (value) => {
    waiting[head++]?.(value);
    if (head < waiting.length) return;
    waiting.length = 0;
    head = 0;
  });
  return {
    echo: (message) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        worker.postMessage(message);
      }),
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}

export function comlinkBaseline(): Baseline {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(siblingModule(import.meta.url, "./comlink-echo"), {
    workerData: { port: port2 },
    transferList: [port2],
  });
  const remote = connectControl<ComlinkEcho>(port1);
  return {
    echo: (message) => remote.echo(message),
    [Symbol.asyncDispose]: async () => {
      port1.close();
      await worker.terminate();
    },
  };
}
