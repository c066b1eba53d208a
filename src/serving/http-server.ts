/**
 * The adapter for fastify: sockets, parsing, limits and the lifetime of a request. Routes see plain requests and give
 * plain replies; everything that goes wrong becomes one JSON error object.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { ServerConfig } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { toErrorObject } from "../protocol/openai/error-object.ts";
import type { Access } from "./access.ts";
import { ActiveWork } from "./active-work.ts";
import { endBadConnection } from "./bad-connection.ts";
import { toCaller } from "./caller.ts";
import { toClientError } from "./client-error.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { type ForwardedRequest, forwardRequest, modelOfPeer } from "./forward-request.ts";
import { errorHeaders, unknownRoute } from "./http-errors.ts";
import type { ErrorReply, HttpReply, HttpRequest, Route } from "./http-exchange.ts";
import { toListenError } from "./listen-error.ts";
import { createNodeServer } from "./node-server.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import type { ServingContext } from "./serving-context.ts";
import { writeSse, writeSseHead } from "./sse-writer.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks, for limits by client; empty for those that ask for options only. */
    client: string;
    /** The id of the answer, under which the engine knows the request. */
    responseId: string | null;
  }
  interface FastifyContextConfig {
    toErrorReply?: Route["toErrorReply"];
    isForAdmins?: boolean;
  }
}

/** What an HTTP server serves, and where. */
export interface HttpServerOptions {
  readonly context: ServingContext;
  readonly config: ServerConfig;
  readonly routes: readonly Route[];
  readonly access: Access;
  readonly origins: OriginPolicy;
  readonly limits: ConnectionLimits;
  /** Null speaks plain HTTP. */
  readonly tls: TlsOptions | null;
  /** Requests that leave HTTP; the others are answered by the routes. */
  readonly isUpgrade: (request: IncomingMessage) => boolean;
  readonly onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void;
}

/** A server that is or was listening. */
export interface HttpServer {
  /** @throws TroupeError `address_in_use` or `invalid_config`. */
  listen(): Promise<{ readonly port: number }>;
  /** Stops listening and closes every connection; whoever calls it has drained the work before. */
  close(): Promise<void>;
}

/** @see createServer */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { config, context, routes } = options;
  // those that are no work: they are not waited for before the server closes, but are sent to their end
  const answers = new ActiveWork(context.clock);
  const app = fastify({
    bodyLimit: config.maxBodyBytes,
    return503OnClosing: false,
    genReqId: (raw) => readRequestId(raw.headers["x-request-id"]) ?? context.newId(),
    routerOptions: { maxParamLength: 1024 },
    serverFactory: (handler) => createNodeServer(handler, options),
    frameworkErrors: (error, request, reply) => void sendError(context, error, request, reply),
    clientErrorHandler: (error, socket) => endBadConnection(error, socket, context.logger),
  });
  app.decorateRequest("client", "");
  app.decorateRequest("responseId", null);
  app.removeContentTypeParser("text/plain");
  app.addHook("onRequest", (request, reply, done) => {
    observe(context, request, reply);
    reply.headers(options.origins.headers(request.headers.origin));
    checkHost(request, reply);
    admit(options, request);
    done();
  });
  app.setErrorHandler((error, request, reply) => sendError(context, error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendError(context, unknownRoute(request.method, pathOf(request), routes), request, reply),
  );
  for (const route of routes) addRoute(app, options, route, answers);
  addMethodGuards(app, routes, options.origins);
  app.server.on("upgrade", options.onUpgrade);
  return { listen: () => listen(app, config), close: () => close(app, answers) };
}

function addRoute(app: FastifyInstance, options: HttpServerOptions, route: Route, answers: ActiveWork): void {
  app.route({
    method: route.method,
    url: route.path,
    config: {
      isForAdmins: route.isForAdmins === true,
      ...(route.toErrorReply && { toErrorReply: route.toErrorReply }),
    },
    handler: (request, reply) => {
      if (!route.isWork)
        reply.raw.once(
          "close",
          answers.join(() => undefined),
        );
      return serve(options, route, request, reply);
    },
  });
}

/** Answers the methods that an address does not have: 204 with Allow for OPTIONS, else 405 with Allow. */
function addMethodGuards(app: FastifyInstance, routes: readonly Route[], origins: OriginPolicy): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const own = routes.filter((route) => route.path === path).map((route) => route.method);
    const allowed: string[] = [...own, ...(own.includes("GET") ? ["HEAD"] : []), "OPTIONS"];
    const allow = allowed.join(", ");
    app.route({
      method: "OPTIONS",
      url: path,
      handler: (request, reply) => answerOptions(origins, allow, request, reply),
    });
    app.route({
      method: METHODS.filter((method) => !allowed.includes(method)),
      url: path,
      // Before the body is looked at: the method is what is wrong.
      onRequest: (request) => {
        const message = `${path} does not know ${request.method}; it knows ${allow}.`;
        throw new TroupeError("method_not_allowed", message, { details: { allow } });
      },
      handler: () => undefined,
    });
  }
}

/** What a browser asks before it sends a request of another origin's page, or a plain question for the methods. */
function answerOptions(
  origins: OriginPolicy,
  allow: string,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { origin } = headers;
  const isPreflight = origin !== undefined && headers["access-control-request-method"] !== undefined;
  if (isPreflight && !origins.allows(origin)) {
    const text = `Web pages of ${origin.slice(0, 200)} may not use this server; add the origin to server.allowedOrigins.`;
    throw new TroupeError("forbidden", text);
  }
  if (isPreflight) reply.headers(origins.preflightHeaders(headers["access-control-request-headers"]));
  return reply.code(204).header("allow", allow).send();
}

/** Whoever stands between could take another one of them for the right one. */
function checkHost({ raw }: FastifyRequest, reply: FastifyReply): void {
  if ((raw.headersDistinct.host?.length ?? 0) < 2) return;
  reply.header("connection", "close");
  throw new TroupeError("invalid_request", "The request has more than one Host header; send one.");
}

/** Checks the key. A preflight has none: browsers send it without the page's headers. */
function admit({ access }: HttpServerOptions, request: FastifyRequest): void {
  if (request.method === "OPTIONS") return;
  const { headers, socket } = request.raw;
  const visitor = { headers, address: socket.remoteAddress };
  const { isForAdmins = false } = request.routeOptions.config;
  request.client = isForAdmins ? access.enterAdmin(visitor) : access.enter(visitor, routeOf(request));
}

/** `GET /health`; HEAD is asked of the same route. Undefined for an address that is none. */
function routeOf({ method, routeOptions: { url } }: FastifyRequest): string | undefined {
  return url === undefined ? undefined : `${method === "HEAD" ? "GET" : method} ${url}`;
}

async function serve(
  { context, config, access }: HttpServerOptions,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const abort = new AbortController();
  const cut = (reason: TroupeError): void => abort.abort(reason);
  const lastEventId = lastEventIdOf(request);
  const client = route.takesUp && lastEventId !== null ? undefined : request.client;
  const admission = route.isWork ? context.work.add(cut, client) : null;
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished)
      abort.abort(new TroupeError("cancelled", "The client went away before the response was complete."));
    admission?.finish();
  });
  try {
    const plain: HttpRequest = {
      ...toCaller(access, request.client, request.headers),
      ...toHttpRequest(request),
      lastEventId,
      signal: abort.signal,
      countUntil: (ended) => admission?.countUntil(ended),
    };
    const peerModel = modelOfPeer(context, route, plain, request.headers);
    if (peerModel !== null) {
      copyHeaders(reply);
      await forwardRequest(context.peers, peerModel, toForwarded(request), reply.raw, abort.signal);
      return reply.hijack();
    }
    const answer = await route.handle(plain);
    if (answer.kind !== "text") request.responseId = answer.responseId ?? null;
    if (answer.kind !== "events") return sendReply(reply, answer);
    reply.headers(answer.headers ?? {});
    reply.hijack();
    copyHeaders(reply);
    if (request.method === "HEAD") {
      writeSseHead(reply.raw, answer.contentType);
      reply.raw.end();
      return reply;
    }
    if (!route.isWork && !reply.raw.closed) reply.raw.once("close", context.work.join(cut));
    await writeSse(reply.raw, answer.frames, {
      maxBufferedBytes: config.maxBufferedBytes,
      clock: context.clock,
      keepAliveMs: config.streamKeepAliveMs,
      signal: abort.signal,
      explain: (thrown) => toClientError(context.logger, thrown, request.id),
      ...(answer.contentType !== undefined && { contentType: answer.contentType }),
      ...(answer.keepAlive !== undefined && { keepAlive: answer.keepAlive }),
      ...(answer.toErrorFrame !== undefined && { toErrorFrame: answer.toErrorFrame }),
    });
    return reply;
  } catch (thrown) {
    return sendError(context, abort.signal.aborted ? abort.signal.reason : thrown, request, reply);
  }
}

function toForwarded({ method, url, body, raw }: FastifyRequest): ForwardedRequest {
  return { method, url, body, headers: raw.headers, remoteAddress: raw.socket.remoteAddress };
}

function lastEventIdOf({ headers }: FastifyRequest): string | null {
  const { "last-event-id": id } = headers;
  return typeof id === "string" && id !== "" ? id : null;
}

function toHttpRequest(
  request: FastifyRequest,
): Pick<HttpRequest, "id" | "body" | "rest" | "pathId" | "query"> {
  const { "*": rest = "", id: pathId = "" } = request.params as {
    readonly "*"?: string;
    readonly id?: string;
  };
  return {
    id: request.id,
    body: request.body,
    rest,
    pathId,
    query: request.query as Readonly<Record<string, unknown>>,
  };
}

function sendReply(reply: FastifyReply, answer: Exclude<HttpReply, { kind: "events" }>): FastifyReply {
  if (answer.kind === "text")
    return reply
      .code(answer.status ?? 200)
      .headers(answer.headers ?? {})
      .type(answer.contentType)
      .send(answer.body);
  return reply
    .code(answer.status ?? 200)
    .headers(answer.headers ?? {})
    .type("application/json")
    .send(JSON.stringify(answer.body));
}

function sendError(
  context: ServingContext,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = toClientError(context.logger, thrown, request.id);
  if (context.work.isClosing) reply.header("connection", "close");
  const { toErrorReply = ownErrorReply } = request.routeOptions.config;
  const { status, body } = toErrorReply(error);
  return reply.code(status).headers(errorHeaders(error)).type("application/json").send(JSON.stringify(body));
}

function ownErrorReply(error: TroupeError): ErrorReply {
  return { status: error.status, body: { error: toErrorObject(error) } };
}

/** Counts and logs the request when its response is over, however it ended. */
function observe(
  { clock, logger, metrics, work }: ServingContext,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const startMs = clock.now();
  reply.header("x-request-id", request.id);
  if (work.isClosing) reply.header("connection", "close");
  reply.raw.once("close", () => {
    const status = reply.raw.writableFinished ? reply.raw.statusCode : 499;
    const route = request.routeOptions.url ?? "none";
    metrics.countHttpRequest(request.method, route, status);
    const durationMs = Math.round(clock.now() - startMs);
    const fields = {
      requestId: request.id,
      ...(request.responseId !== null && { responseId: request.responseId }),
      method: request.method,
      path: pathOf(request),
      status,
      durationMs,
    };
    // Probes and scrapes come every few seconds and say nothing new.
    logger[request.method === "POST" || status >= 400 ? "info" : "debug"](fields, "request");
  });
}

/** A hijacked response starts without the headers that hooks have set. */
function copyHeaders(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
}

function pathOf(request: FastifyRequest): string {
  return request.url.split("?", 1)[0] ?? "";
}

/** Printable and short, or it is not taken over: it goes into headers and the log. */
function readRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" && /^[\x21-\x7e]{1,128}$/.test(header) ? header : undefined;
}

async function listen(
  app: FastifyInstance,
  { host, port }: ServerConfig,
): Promise<{ readonly port: number }> {
  try {
    await app.listen({ host, port });
  } catch (thrown) {
    throw toListenError(thrown, host, port);
  }
  const address = app.server.address();
  return { port: typeof address === "object" && address !== null ? address.port : port };
}

/** What is being answered is no work any more: it gets a moment to be sent. */
async function close(
  app: FastifyInstance<Server, IncomingMessage, ServerResponse>,
  answers: ActiveWork,
): Promise<void> {
  const closed = app.close();
  await answers.close(0);
  app.server.closeAllConnections();
  await closed;
}
