/** A server started as a user starts it, in processes of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { TroupeError } from "../src/errors/troupe-error.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** See {@link startServed}. */
export interface Served extends AsyncDisposable {
  /** `http://127.0.0.1:PORT/v1` */
  readonly url: string;
  /** A value of `GET /metrics`, by its name without labels. */
  metric(name: string): Promise<number>;
}

/**
 * @param args of `npm start`
 * @throws TroupeError `engine_failed` when it ends before it serves
 */
export async function startServed(args: readonly string[] = []): Promise<Served> {
  const flags = ["--port", "0", "--log-format", "json", "--log-level", "warn", ...args];
  // a group of its own: npm, its shell and the server end together
  const child = spawn("npm", ["start", "--silent", "--", ...flags], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const end = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const exited = once(child, "exit");
    process.kill(-child.pid!, "SIGTERM");
    await exited;
  };
  for await (const line of createInterface(child.stdout)) {
    if (!line.startsWith('{"msg":"serving"')) continue;
    const { http: url } = JSON.parse(line) as { readonly http: string };
    child.stdout.resume();
    return { url, metric: (name) => readMetric(url, name), [Symbol.asyncDispose]: end };
  }
  throw new TroupeError("engine_failed", `npm start ${flags.join(" ")} ended before it served.`);
}

async function readMetric(url: string, name: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
  return Number(line?.split(" ").at(-1));
}

/** Streams an answer to a prompt of token ids; resolves with its first piece, or behind its last. */
export async function complete(
  { url }: Served,
  ids: readonly number[],
  options: { readonly maxTokens: number; readonly until: "first piece" | "end" },
): Promise<void> {
  const body = { prompt: ids, max_tokens: options.maxTokens, ignore_eos: true, temperature: 0, stream: true };
  const response = await fetch(`${url}/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  for await (const _piece of response.body!) if (options.until === "first piece") break;
}
