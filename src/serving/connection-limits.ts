/** Counts connections: open ones, in total and by address, and those that were not let in or were cut. Knows no sockets. */
import type { ServerConfig } from "../config/config.ts";
import { networkOf } from "./address.ts";

/** @see ServerConfig.maxConnections */
export class ConnectionLimits {
  readonly #config: Pick<ServerConfig, "maxConnections" | "maxConnectionsPerAddress">;
  readonly #numByNetwork = new Map<string, number>();
  #numOpen = 0;
  #numRefused = 0;
  #numStalled = 0;

  constructor(config: Pick<ServerConfig, "maxConnections" | "maxConnectionsPerAddress">) {
    this.#config = config;
  }

  get numOpen(): number {
    return this.#numOpen;
  }

  /** Since the start. */
  get numRefused(): number {
    return this.#numRefused;
  }

  /** Those that were cut because their client took nothing, since the start. */
  get numStalled(): number {
    return this.#numStalled;
  }

  /** A connection is cut because its client takes nothing. */
  countStalled(): void {
    this.#numStalled++;
  }

  /** Takes a connection in, to be followed by {@link leave}; or says which limit it is over. */
  enter(address: string): string | null {
    const { maxConnections, maxConnectionsPerAddress } = this.#config;
    const network = networkOf(address);
    const numHere = this.#numByNetwork.get(network) ?? 0;
    const isOver = maxConnectionsPerAddress !== null && numHere >= maxConnectionsPerAddress;
    if (isOver || this.#numOpen >= maxConnections) {
      this.#numRefused++;
      return isOver
        ? `Your address has ${numHere} connections open, the limit of this server.`
        : `This server has ${maxConnections} connections open, its limit.`;
    }
    this.#numOpen++;
    this.#numByNetwork.set(network, numHere + 1);
    return null;
  }

  /** A connection that was taken in has ended. */
  leave(address: string): void {
    const network = networkOf(address);
    const numLeft = (this.#numByNetwork.get(network) ?? 1) - 1;
    this.#numOpen--;
    if (numLeft === 0) this.#numByNetwork.delete(network);
    else this.#numByNetwork.set(network, numLeft);
  }
}
