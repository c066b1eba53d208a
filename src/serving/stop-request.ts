/** A request over HTTP that the whole server stop: made once, heard by whoever runs the server. */

/** Let what runs end within the configured time, or cut it. */
export type StopMode = "drain" | "force";

/** @see TroupeServer.stopRequested */
export class StopRequest {
  readonly #request = Promise.withResolvers<StopMode>();
  #isMade = false;

  /** Resolves once it is made; never, when it is not. */
  get made(): Promise<StopMode> {
    return this.#request.promise;
  }

  /** @returns false when it was made before */
  make(mode: StopMode): boolean {
    if (this.#isMade) return false;
    this.#isMade = true;
    this.#request.resolve(mode);
    return true;
  }
}
