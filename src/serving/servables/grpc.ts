/** The adapter for @grpc/grpc-js: a server that answers `Predict`, and a channel that calls it. */
import type { TlsOptions } from "node:tls";
import {
  ChannelCredentials,
  Client,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import type { Clock } from "../../core/clock.ts";
import type { ErrorCode } from "../../errors/error-codes.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ReplyMessage, RequestMessage } from "../../servables/predict-proto.ts";
import { predictMethod } from "./grpc-schema.ts";

/** What a server is made of. */
export interface GrpcServerOptions {
  /** `host:port` or `unix:path`. */
  readonly address: string;
  /** Of a request. */
  readonly maxMessageBytes: number;
  /** Null speaks without TLS. */
  readonly tls: TlsOptions | null;
  readonly clock: Clock;
  /** Never rejects. The signal aborts when the caller has cancelled, met its deadline, or is gone. */
  readonly predict: (request: RequestMessage, signal: AbortSignal) => Promise<ReplyMessage>;
}

/** A server that listens or did. */
export interface GrpcServer {
  /** @returns the port; 0 for a Unix socket. @throws TroupeError `address_in_use`, `invalid_config` */
  listen(): Promise<number>;
  /** Lets replies that were given out arrive, and ends every connection. */
  close(): Promise<void>;
}

/** How long replies may take to arrive. */
const CLOSE_GRACE_MS = 1_000;

/** @see GrpcServerOptions */
export function createGrpcServer({
  address,
  maxMessageBytes,
  tls,
  clock,
  predict,
}: GrpcServerOptions): GrpcServer {
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": -1,
  });
  const { path, requestDeserialize, responseSerialize } = predictMethod();
  const handle: UntypedHandleCall = (
    call: PredictCall,
    reply: (error: null, message: ReplyMessage) => void,
  ) => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort(new TroupeError("cancelled", "The client gave up or went away.")));
    void predict(call.request, abort.signal).then((message) => reply(null, message));
  };
  server.register(path, handle, responseSerialize, requestDeserialize, "unary");
  const credentials = tls === null ? ServerCredentials.createInsecure() : serverTls(tls);
  return {
    async listen() {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      server.bindAsync(address, credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(toBindError(error, address));
      });
      return await promise;
    },
    close: () => closeServer(server, clock),
  };
}

async function closeServer(server: Server, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const force = clock.schedule(CLOSE_GRACE_MS, () => server.forceShutdown());
  server.tryShutdown(() => resolve());
  await promise;
  force.cancel();
}

interface PredictCall {
  readonly request: RequestMessage;
  on(event: "cancelled", listener: () => void): unknown;
}

/** From files, whose bytes they are. */
function serverTls({ cert, key, ca, rejectUnauthorized = false }: TlsOptions): ServerCredentials {
  const pair = { private_key: key as Buffer, cert_chain: cert as Buffer };
  return ServerCredentials.createSsl((ca as Buffer | undefined) ?? null, [pair], rejectUnauthorized);
}

function toBindError(error: Error, address: string): TroupeError {
  const isTaken = error.message.includes("EADDRINUSE");
  const what = isTaken
    ? "it is in use; choose another address, or remove the socket's file if nobody listens there"
    : error.message;
  const text = `gRPC cannot listen on ${address}: ${what}.`;
  return new TroupeError(isTaken ? "address_in_use" : "invalid_config", text, { cause: error });
}

/** What a channel is made of. */
export interface GrpcChannelOptions {
  readonly address: string;
  readonly maxMessageBytes: number;
  /** PEM bytes; null speaks without TLS. No authorities: those of Node. A certificate of the client comes with its key. */
  readonly tls: {
    readonly ca: Buffer | null;
    readonly certificate: { readonly cert: Buffer; readonly key: Buffer } | null;
  } | null;
}

/** Calls one server. */
export interface GrpcChannel {
  /** @throws TroupeError `cancelled`, `deadline_exceeded`, `payload_too_large`, `not_ready`, `unsupported`, `engine_failed` */
  predict(
    request: RequestMessage,
    options: { readonly signal?: AbortSignal; readonly deadlineMs?: number },
  ): Promise<ReplyMessage>;
  close(): void;
}

/** @see GrpcChannelOptions */
export function openGrpcChannel({ address, maxMessageBytes, tls }: GrpcChannelOptions): GrpcChannel {
  const credentials =
    tls === null
      ? ChannelCredentials.createInsecure()
      : ChannelCredentials.createSsl(tls.ca, tls.certificate?.key, tls.certificate?.cert);
  const client = new Client(address, credentials, {
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
  });
  const { path, requestSerialize, responseDeserialize } = predictMethod();
  return {
    async predict(request, { signal, deadlineMs }) {
      if (signal?.aborted) throw cancelled();
      const { promise, resolve, reject } = Promise.withResolvers<ReplyMessage>();
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        options,
        (error, reply) => {
          if (error !== null) reject(toCallError(error, address));
          else resolve(reply as ReplyMessage);
        },
      );
      const cancel = (): void => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      return await promise.finally(() => signal?.removeEventListener("abort", cancel));
    },
    close: () => client.close(),
  };
}

function cancelled(): TroupeError {
  return new TroupeError("cancelled", "The call was cancelled.");
}

const CODES: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.CANCELLED]: "cancelled",
  [status.INVALID_ARGUMENT]: "invalid_request",
  [status.DEADLINE_EXCEEDED]: "deadline_exceeded",
  [status.RESOURCE_EXHAUSTED]: "payload_too_large",
  [status.UNAVAILABLE]: "not_ready",
  [status.UNIMPLEMENTED]: "unsupported",
};

function toCallError(error: ServiceError, address: string): TroupeError {
  const text = `Grpc Error, ${error.code} ${status[error.code]}, ${error.details} (${address})`;
  const details = { grpcStatus: error.code, address };
  return new TroupeError(CODES[error.code] ?? "engine_failed", text, { cause: error, details });
}
