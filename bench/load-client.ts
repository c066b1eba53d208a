/** The client's side of a load: asks over a fixed number of connections, SSE or WebSocket, and notes when each piece came. */
import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { TroupeError } from "../src/errors/troupe-error.ts";
import type { LoadRequest } from "./load-mix.ts";

/** How one request went. */
export interface Taken {
  /** From the moment the request was due, waiting for a connection included. */
  readonly firstTokenMs: number;
  /** Between the pieces of the answer, a token each. */
  readonly gapsMs: readonly number[];
  readonly text: string;
  readonly numTokens: number;
}

/** Asks over connections of its own. */
export interface LoadClient {
  /** @throws TroupeError `engine_failed` when the request was refused or failed. */
  ask(request: LoadRequest): Promise<Taken>;
  close(): void;
}

/** Gathers the pieces of one answer. */
class Stopwatch {
  readonly #startMs = performance.now();
  readonly #gapsMs: number[] = [];
  #firstTokenMs: number | null = null;
  #lastMs = 0;
  #text = "";

  piece(text: string): void {
    if (text === "") return;
    const now = performance.now();
    if (this.#firstTokenMs === null) this.#firstTokenMs = now - this.#startMs;
    else this.#gapsMs.push(now - this.#lastMs);
    this.#lastMs = now;
    this.#text += text;
  }

  end(numTokens: number): Taken {
    return {
      firstTokenMs: this.#firstTokenMs ?? Number.POSITIVE_INFINITY,
      gapsMs: this.#gapsMs,
      text: this.#text,
      numTokens,
    };
  }
}

/** What is asked for, as both protocols spell it. */
function bodyOf({ prompt, numTokens, seed }: LoadRequest): object {
  return { prompt, max_tokens: numTokens, seed, temperature: 0.8, ignore_eos: true };
}

/** The same answer without streaming: what the pieces of a stream must add up to. */
export async function askWhole(url: string, request: LoadRequest): Promise<string> {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(bodyOf(request)),
  });
  const { choices } = (await response.json()) as { choices: { text: string }[] };
  return choices[0]?.text ?? "";
}

/** HTTP/1.1: a request waits while every connection is taken. */
export function sseClient(url: string, numConnections: number): LoadClient {
  const agent = new Agent({ keepAlive: true, maxSockets: numConnections });
  return {
    async ask(request) {
      const watch = new Stopwatch();
      const stream = { stream: true, stream_options: { include_usage: true } };
      const headers = { "content-type": "application/json" };
      const sent = httpRequest(`${url}/v1/completions`, { method: "POST", agent, headers });
      sent.end(JSON.stringify({ ...bodyOf(request), ...stream }));
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      let numTokens = 0;
      for await (const line of createInterface({ input: response })) {
        if (response.statusCode !== 200) throw failed(line);
        if (!line.startsWith("data: {")) continue;
        const chunk = JSON.parse(line.slice(6)) as SseChunk;
        if (chunk.error !== undefined) throw failed(line);
        watch.piece(chunk.choices[0]?.text ?? "");
        numTokens = chunk.usage?.completion_tokens ?? 0;
      }
      return watch.end(numTokens);
    },
    close: () => agent.destroy(),
  };
}

interface SseChunk {
  readonly choices: readonly { readonly text: string }[];
  readonly usage?: { readonly completion_tokens: number } | null;
  readonly error?: unknown;
}

/** Requests go to the sockets in turn, many at once on each. */
export async function socketClient(url: string, numConnections: number): Promise<LoadClient> {
  const lines = await Promise.all(Array.from({ length: numConnections }, () => openLine(url)));
  let numAsked = 0;
  return {
    ask: (request) => lines[numAsked % lines.length]!.ask(String(numAsked++), request),
    close: () => {
      for (const { socket } of lines) socket.terminate();
    },
  };
}

type SocketMessage =
  | { readonly type: "token"; readonly id: string; readonly text: string }
  | { readonly type: "done"; readonly id: string; readonly usage: { readonly completion_tokens: number } }
  | { readonly type: "error"; readonly id: string };

interface Line {
  readonly socket: WebSocket;
  ask(id: string, request: LoadRequest): Promise<Taken>;
}

async function openLine(url: string): Promise<Line> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/stream`);
  await once(socket, "open");
  const asked = new Map<string, { readonly watch: Stopwatch; readonly end: PromiseWithResolvers<Taken> }>();
  socket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as SocketMessage;
    const { watch, end } = asked.get(message.id)!;
    if (message.type === "token") watch.piece(message.text);
    else if (message.type === "done") end.resolve(watch.end(message.usage.completion_tokens));
    else end.reject(failed(data.toString()));
  });
  return {
    socket,
    async ask(id, request) {
      const end = Promise.withResolvers<Taken>();
      asked.set(id, { watch: new Stopwatch(), end });
      socket.send(JSON.stringify({ type: "generate", id, ...bodyOf(request) }));
      return await end.promise.finally(() => asked.delete(id));
    },
  };
}

function failed(answer: string): TroupeError {
  return new TroupeError("engine_failed", `The server answered ${answer.slice(0, 300)}`);
}
