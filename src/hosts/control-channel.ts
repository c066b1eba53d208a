/**
 * The adapter of comlink: typed calls from the system's thread to a worker's entry, over a port of their own. Control
 * only: a call costs more than an envelope, and never settles by itself when its worker dies, so callers race it
 * against the worker's end.
 */
import type { MessagePort, Transferable } from "node:worker_threads";
import {
  type Endpoint,
  expose,
  type Remote,
  type TransferHandler,
  transfer,
  transferHandlers,
  wrap,
} from "comlink";
import { decodeError, type EncodedError, encodeError } from "../errors/error-codec.ts";

const THROW = "throw";

interface Thrown {
  readonly value: unknown;
}

interface WireThrown {
  readonly encoded?: EncodedError;
}

/**
 * comlink's own handler keeps only name, message and stack of an error. Its tables are global to the process, so this
 * wraps the present handler once: what other users of comlink send still goes through theirs.
 */
function installErrorCodec(): void {
  const original = transferHandlers.get(THROW) as TransferHandler<Thrown, WireThrown> & {
    hasCodec?: boolean;
  };
  if (original.hasCodec === true) return;
  const handler: TransferHandler<Thrown, WireThrown> & { hasCodec: boolean } = {
    hasCodec: true,
    canHandle: (value): value is Thrown => original.canHandle(value),
    serialize: (thrown) => {
      const encoded = encodeError(thrown.value);
      try {
        const [wire, transferables] = original.serialize(thrown);
        return [{ ...wire, encoded }, transferables];
      } catch {
        return [{ encoded }, []];
      }
    },
    deserialize: (wire) => {
      if (wire.encoded === undefined) return original.deserialize(wire);
      throw decodeError(wire.encoded);
    },
  };
  transferHandlers.set(THROW, handler as TransferHandler<unknown, unknown>);
}

/** Methods as the other side sees them: each answers with a promise. */
export type Control<Api> = Remote<Api>;

/** Offers `api` to the other end of the port. */
export function exposeControl(api: object, port: MessagePort): void {
  installErrorCodec();
  expose(api, port as unknown as Endpoint);
}

/** Calls what the other end of the port exposes. Keep the result for as long as calls are open. */
export function connectControl<Api>(port: MessagePort): Control<Api> {
  installErrorCodec();
  return wrap<Api>(port as unknown as Endpoint);
}

/** Marks what is moved with an argument instead of copied; may lie anywhere inside it. */
export function withTransfer<T extends object>(argument: T, transferables: Transferable[]): T {
  return transfer(argument, transferables as never[]);
}
