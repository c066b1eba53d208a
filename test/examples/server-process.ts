/** The server as a process of its own, the way a user starts it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { TroupeError } from "../../src/errors/troupe-error.ts";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** A server that listens; disposing stops it and waits for its end. */
export interface ServerProcess extends AsyncDisposable {
  /** http://127.0.0.1:PORT */
  readonly url: string;
  readonly process: ChildProcess;
}

/** @param flags beside `--port 0` */
export async function startServerProcess(flags: readonly string[] = []): Promise<ServerProcess> {
  const args = ["src/cli/main.ts", "serve", "--port", "0", "--log-level", "warn", ...flags];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const url = /HTTP +(http:\/\/\S+)\/v1/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stdout.resume();
    return { url, process: child, [Symbol.asyncDispose]: () => stop(child) };
  }
  throw new TroupeError("not_ready", `The server ended with ${child.exitCode} before it listened.`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}
