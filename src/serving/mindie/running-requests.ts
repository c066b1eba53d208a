/** Requests in flight by the names their clients gave them, so that another call can end them. */
import { TroupeError } from "../../errors/troupe-error.ts";

/** A request that can be ended. */
export interface StoppableRequest {
  /** Aborted when it is to end. */
  readonly signal: AbortSignal;
  /** To be called when it has ended, however. */
  leave(): void;
}

/** @see answerMindie */
export class RunningRequests {
  readonly #stops = new Map<string, AbortController>();

  /** @throws TroupeError `invalid_request` while another request has that name */
  enter(id: string): StoppableRequest {
    if (this.#stops.has(id)) {
      const message = `"id": a request named ${JSON.stringify(id)} is in flight; choose another.`;
      throw new TroupeError("invalid_request", message, { details: { param: "id" } });
    }
    const stop = new AbortController();
    this.#stops.set(id, stop);
    return { signal: stop.signal, leave: () => void this.#stops.delete(id) };
  }

  /** @throws TroupeError `not_found` when no request has that name */
  stop(id: string): void {
    const stop = this.#stops.get(id);
    if (stop === undefined) throw new TroupeError("not_found", `RequestId is ${id} not found.`);
    stop.abort(new TroupeError("cancelled", "The request was stopped by its client."));
  }
}
