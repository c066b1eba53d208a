/**
 * What actors ask of the system itself: to spawn a child, to stop one, to have another treated as failed. Only the
 * system's own thread supervises, so actors on other threads send these there.
 */
import { decodeError, type EncodedError } from "../errors/error-codec.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { ActorSpec } from "./supervisor-spec.ts";

/** A request of the actor at some address. */
export type SystemRequest =
  | { readonly kind: "spawn"; readonly spec: SpawnedSpec }
  | { readonly kind: "stopChild"; readonly name: string }
  | { readonly kind: "fail"; readonly name: string; readonly error: EncodedError };

/** A spec in a form that crosses threads: a URL cannot be cloned. */
export type SpawnedSpec = Omit<ActorSpec, "kind" | "module"> & {
  readonly module: string | ActorSpec["module"];
};

/** The requests of one thread that have no answer yet. */
export class SystemRequests {
  readonly #open = new Map<number, { resolve(): void; reject(error: unknown): void }>();
  readonly #send: (requestId: number, address: number, request: SystemRequest) => void;
  #lastId = 0;

  constructor(send: (requestId: number, address: number, request: SystemRequest) => void) {
    this.#send = send;
  }

  /** @throws TroupeError what the system's thread answers. */
  request(address: number, request: SystemRequest): Promise<void> {
    const requestId = ++this.#lastId;
    return new Promise((resolve, reject) => {
      try {
        this.#send(requestId, address, request);
      } catch (cause) {
        const text = `The request "${request.kind}" cannot be cloned to the system's thread; give a module's URL and plain data.`;
        throw new TroupeError("invalid_request", text, { cause });
      }
      this.#open.set(requestId, { resolve, reject });
    });
  }

  answered(requestId: number, error: EncodedError | null): void {
    const waiter = this.#open.get(requestId);
    this.#open.delete(requestId);
    if (error === null) waiter?.resolve();
    else waiter?.reject(decodeError(error));
  }
}
