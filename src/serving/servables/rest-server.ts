/**
 * REST for servables as MindSpore Serving has it: every answer is a 200 with JSON, errors too, whatever the content type of
 * the request. Beside it `/health`, `/ready` and `/metrics`, which answer as those of the main server do.
 */
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { TlsOptions } from "node:tls";
import { defaultConfig } from "../../config/defaults.ts";
import type { Clock } from "../../core/clock.ts";
import { TroupeError, toTroupeError } from "../../errors/troupe-error.ts";
import { readInstances } from "../../servables/json-instances.ts";
import { errorText, instancesText } from "../../servables/json-reply.ts";
import type { PredictOutcome, Predictor } from "../../servables/predict.ts";
import { ERROR_CODE_OF, type Failure, failureOf } from "../../servables/status.ts";
import { ConnectionLimits } from "../connection-limits.ts";
import { toListenError } from "../listen-error.ts";
import { createNodeServer } from "../node-server.ts";
import { readRestAddress } from "./rest-address.ts";

/** What a REST server is made of. */
export interface RestServerOptions {
  readonly host: string;
  readonly port: number;
  readonly maxMessageBytes: number;
  readonly tls: TlsOptions | null;
  /** `http` gives failed requests the status of their kind; the body is the same. */
  readonly errorStatus: "always-200" | "http";
  readonly predictor: Predictor;
  readonly clock: Clock;
  /** `ready`, or why not. */
  readonly status: () => string;
  /** Told of what must not happen. */
  readonly onBug: (error: unknown, path: string) => void;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
}

/** What is sent back. */
interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** {@link RestServerOptions.status} of a server that takes no new requests. */
export const STOPPING = "stopping";

const JSON_TYPE = "application/json";

/** A server that listens or did. */
export interface RestServer {
  /** @throws TroupeError `address_in_use`, `invalid_config` */
  listen(): Promise<{ readonly port: number }>;
  /** Lets answers that were given arrive, and ends every connection. */
  close(): Promise<void>;
}

/** How long answers may take to arrive. */
const CLOSE_GRACE_MS = 1_000;

/** @see the module header */
export function createRestServer(options: RestServerOptions): RestServer {
  const config = { ...defaultConfig().server, host: options.host, port: options.port };
  const server = createNodeServer((request, response) => void serve(options, request, response), {
    config,
    tls: options.tls,
    limits: new ConnectionLimits(config),
    isUpgrade: () => false,
  });
  return { listen: () => listen(server, options), close: () => close(server, options.clock) };
}

async function serve(
  options: RestServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const abort = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) abort.abort(new TroupeError("cancelled", "The client went away."));
  });
  let answer: Answer;
  try {
    answer = await answerTo(options, request, abort.signal);
  } catch (thrown) {
    if (toTroupeError(thrown).code === "internal") options.onBug(thrown, request.url ?? "");
    answer = failure(options, failureOf(thrown));
  }
  if (response.destroyed) return;
  // what was not read of a body that is too long cannot be skipped
  if (!request.complete || options.status() === STOPPING) response.setHeader("connection", "close");
  response.writeHead(answer.status, { "content-type": answer.contentType });
  response.end(answer.body);
}

async function answerTo(
  options: RestServerOptions,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<Answer> {
  const [path = ""] = (request.url ?? "").split("?", 1);
  if (request.method === "GET") {
    const probe = await answerProbe(options, path);
    if (probe !== null) return probe;
  }
  if (request.method !== "POST") {
    throw new TroupeError("invalid_request", "http message only support POST right now");
  }
  const body = await readBody(request, options.maxMessageBytes);
  const { servable, version, method } = readRestAddress(path);
  const instances = readInstances(body);
  const outcome = await options.predictor.predict({ servable, version, method, instances }, signal);
  return toAnswer(options, outcome);
}

function toAnswer(options: RestServerOptions, outcome: PredictOutcome): Answer {
  if (outcome.kind === "failed") return failure(options, outcome.failure);
  return { status: 200, contentType: JSON_TYPE, body: instancesText(outcome.outputs, outcome.results) };
}

function failure({ errorStatus }: RestServerOptions, { code, message }: Failure): Answer {
  const { status } = new TroupeError(ERROR_CODE_OF[code], message);
  return {
    status: errorStatus === "http" ? status : 200,
    contentType: JSON_TYPE,
    body: errorText(message),
  };
}

async function answerProbe({ status, metrics }: RestServerOptions, path: string): Promise<Answer | null> {
  switch (path) {
    case "/health":
      return { status: 200, contentType: JSON_TYPE, body: '{"status":"ok"}' };
    case "/ready": {
      const state = status();
      return {
        status: state === "ready" ? 200 : 503,
        contentType: JSON_TYPE,
        body: JSON.stringify({ status: state }),
      };
    }
    case "/metrics":
      return { status: 200, contentType: metrics.contentType, body: await metrics.render() };
    default:
      return null;
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let numBytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      numBytes += (chunk as Buffer).length;
      if (numBytes > maxBytes) {
        throw new TroupeError("invalid_request", `http message is bigger than ${maxBytes}`);
      }
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof TroupeError) throw error;
    throw new TroupeError("cancelled", "The client went away before its message was complete.", {
      cause: error,
    });
  }
  if (numBytes === 0) throw new TroupeError("invalid_request", "http message invalid");
  return Buffer.concat(chunks).toString("utf8");
}

async function listen(server: Server, { host, port }: RestServerOptions): Promise<{ readonly port: number }> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (thrown) {
    throw toListenError(thrown, host, port);
  }
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : port };
}

async function close(server: Server, clock: Clock): Promise<void> {
  const closed = once(server, "close");
  const force = clock.schedule(CLOSE_GRACE_MS, () => server.closeAllConnections());
  server.close();
  server.closeIdleConnections();
  await closed;
  force.cancel();
}
