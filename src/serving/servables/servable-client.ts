/** A client of servables over gRPC, in use as MindSpore Serving's `Client`; it talks to that system's servers too. */
import { TroupeError } from "../../errors/troupe-error.ts";
import { readReply, toRequestMessage } from "../../servables/predict-proto.ts";
import { ERROR_CODE_OF } from "../../servables/status.ts";
import type { Value } from "../../servables/tensor.ts";
import { type ValueLike, valueFrom } from "../../servables/value-from.ts";
import { readPem } from "../tls-files.ts";
import { type GrpcChannel, openGrpcChannel } from "./grpc.ts";

const MAX_MESSAGE_BYTES = 512 * 1024 * 1024;

/**
 * How a client connects.
 *
 * @example
 * ```ts
 * const options: ServableClientOptions = { version: 2, tls: { customCa: "ca.pem" } };
 * ```
 */
export interface ServableClientOptions {
  /** 0, the default, is the newest that runs. */
  readonly version?: number;
  /** PEM files; an empty object speaks TLS with the authorities of Node. */
  readonly tls?: {
    readonly customCa?: string;
    readonly certificate?: string;
    readonly privateKey?: string;
  };
}

/** What one instance gave: its outputs by name, or why it has none. */
export type InferResult = Readonly<Record<string, Value>> | { readonly error: string };

/** How one call is made. */
export interface InferOptions {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
}

/**
 * Calls one method of one servable.
 *
 * @example
 * ```ts
 * const client = new ServableClient("127.0.0.1:5500", "digits", "classify_top1");
 * const [first] = await client.infer([{ image: await readFile("seven.raw") }]);
 * if (first !== undefined && !("error" in first)) console.log(first.label);
 * client.close();
 * ```
 */
export class ServableClient {
  readonly #servable: string;
  readonly #method: string;
  readonly #version: number;
  readonly #channel: GrpcChannel;

  /**
   * @param address `host:port` or `unix:path`
   * @throws TroupeError `file_error` for a file of the TLS options that cannot be read; `invalid_config` for a certificate without its key
   */
  constructor(address: string, servable: string, method: string, options: ServableClientOptions = {}) {
    this.#servable = servable;
    this.#method = method;
    this.#version = options.version ?? 0;
    const tls = options.tls === undefined ? null : readClientTls(options.tls);
    this.#channel = openGrpcChannel({ address, maxMessageBytes: MAX_MESSAGE_BYTES, tls });
  }

  /**
   * Sends instances, each with a value for every input of the method.
   *
   * @returns a result for each, in their order; where only some failed, theirs have `error`
   * @throws TroupeError when the request failed as a whole: `invalid_request`, `engine_failed`, `actor_down`, `not_ready`
   * (the server's status is in `details.status`), `cancelled`, `deadline_exceeded`, `payload_too_large`
   */
  async infer(
    instances: Readonly<Record<string, ValueLike>> | readonly Readonly<Record<string, ValueLike>>[],
    options: InferOptions = {},
  ): Promise<InferResult[]> {
    const list = isList(instances) ? instances : [instances];
    const request = toRequestMessage({
      servable: this.#servable,
      method: this.#method,
      version: this.#version,
      instances: list.map(
        (instance) => new Map(Object.entries(instance).map(([name, value]) => [name, valueFrom(value)])),
      ),
    });
    const reply = readReply(await this.#channel.predict(request, options));
    if (!Array.isArray(reply)) {
      const code = ERROR_CODE_OF[reply.code] ?? "engine_failed";
      throw new TroupeError(code, reply.message, { details: { status: reply.code } });
    }
    return reply.map((result) =>
      result.kind === "failed" ? { error: result.failure.message } : Object.fromEntries(result.outputs),
    );
  }

  /** The same, begun now and waited for later; a failure is told by `result()` alone. */
  inferAsync(
    instances: Parameters<ServableClient["infer"]>[0],
    options: InferOptions = {},
  ): { result(): Promise<InferResult[]> } {
    const pending = this.infer(instances, options);
    pending.catch(() => undefined);
    return { result: () => pending };
  }

  /** Closes the connection; calls that run are finished. */
  close(): void {
    this.#channel.close();
  }
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function readClientTls({ customCa, certificate, privateKey }: NonNullable<ServableClientOptions["tls"]>) {
  if ((certificate === undefined) !== (privateKey === undefined)) {
    throw new TroupeError("invalid_config", "certificate and privateKey of a client go together.");
  }
  return {
    ca: customCa === undefined ? null : readPem("customCa", customCa),
    certificate:
      certificate === undefined || privateKey === undefined
        ? null
        : { cert: readPem("certificate", certificate), key: readPem("privateKey", privateKey) },
  };
}
