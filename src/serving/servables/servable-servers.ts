/** The two servers of servables, opened and closed together. */
import type { Clock } from "../../core/clock.ts";
import { toTroupeError } from "../../errors/troupe-error.ts";
import type { LogSink } from "../../runtime/actor-types.ts";
import type { Predictor } from "../../servables/predict.ts";
import {
  type ReplyMessage,
  type RequestMessage,
  readRequest,
  toReplyMessage,
} from "../../servables/predict-proto.ts";
import { type CheckedOptions, checkGrpcAddress, splitAddress } from "../../servables/servables-options.ts";
import { failureOf } from "../../servables/status.ts";
import { toUrl } from "../server-url.ts";
import { createGrpcServer, type GrpcServer } from "./grpc.ts";
import { createRestServer, type RestServer } from "./rest-server.ts";
import type { ServableMetrics } from "./servable-metrics.ts";
import { readServableTls } from "./servable-tls.ts";

const MIB = 1024 * 1024;

/** What the servers are made of. */
export interface ListenersOptions {
  readonly options: Pick<CheckedOptions, "rest" | "grpc">;
  readonly predictor: Predictor;
  readonly metrics: ServableMetrics;
  readonly log: LogSink;
  readonly clock: Clock;
  readonly status: () => string;
}

/** Servers that listen. */
export interface Listeners {
  readonly restUrl: string | null;
  readonly grpcAddress: string | null;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** @throws TroupeError `address_in_use`, `invalid_config`, `file_error`; none listens then */
export async function openListeners(given: ListenersOptions): Promise<Listeners> {
  const rest = makeRest(given);
  const grpc = makeGrpc(given);
  const restUrl = rest === null ? null : await rest.listen();
  try {
    const grpcAddress = grpc === null ? null : await grpc.listen();
    return {
      restUrl,
      grpcAddress,
      async close() {
        await Promise.all([grpc?.server.close(), rest?.server.close()]);
      },
    };
  } catch (error) {
    await rest?.server.close();
    throw error;
  }
}

function makeRest({ options: { rest }, predictor, metrics, log, clock, status }: ListenersOptions) {
  if (rest === null) return null;
  const { host, port } = splitAddress(rest.address, "REST");
  const tls = rest.tls === undefined ? null : readServableTls(rest.tls, "rest");
  const server: RestServer = createRestServer({
    host,
    port,
    maxMessageBytes: rest.maxMsgMbSize * MIB,
    tls,
    errorStatus: rest.errorStatus,
    predictor,
    metrics,
    clock,
    status,
    onBug: (error, path) => logBug(log, "rest", error, { path }),
  });
  const listen = async (): Promise<string> => {
    const taken = await server.listen();
    return toUrl(tls === null ? "http" : "https", host, taken.port);
  };
  return { server, listen };
}

function makeGrpc({ options: { grpc }, predictor, log, clock }: ListenersOptions) {
  if (grpc === null) return null;
  const { address } = grpc;
  checkGrpcAddress(address);
  const predict = async (request: RequestMessage, signal: AbortSignal): Promise<ReplyMessage> => {
    try {
      const outcome = await predictor.predict(readRequest(request), signal);
      return toReplyMessage(request.servable_spec, outcome);
    } catch (error) {
      if (toTroupeError(error).code === "internal") logBug(log, "grpc", error, {});
      return toReplyMessage(request.servable_spec, { kind: "failed", failure: failureOf(error) });
    }
  };
  const maxMessageBytes = grpc.maxMsgMbSize * MIB;
  const tls = grpc.tls === undefined ? null : readServableTls(grpc.tls, "grpc");
  const server: GrpcServer = createGrpcServer({
    address,
    maxMessageBytes,
    tls,
    clock,
    predict,
  });
  const listen = async (): Promise<string> => {
    const port = await server.listen();
    return address.startsWith("unix:") ? address : address.replace(/\d+$/, String(port));
  };
  return { server, listen };
}

function logBug(
  log: LogSink,
  actor: string,
  error: unknown,
  fields: Readonly<Record<string, unknown>>,
): void {
  const { message, stack } = toTroupeError(error);
  log({
    level: "error",
    actor,
    message: "A servable request failed by a bug.",
    fields: { ...fields, error: message, stack },
  });
}
