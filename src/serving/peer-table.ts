/** Which other server has a model: the least busy of those that serve it. */
import type { Peer } from "../config/config.ts";

/** Marks a request that a server has sent on; it is never sent on again, so no two servers play ball with it. */
export const FORWARDED_HEADER = "x-troupe-forwarded";

/** The configured peers with the number of requests each is answering for us. */
export class PeerTable {
  readonly #peers: readonly Peer[];
  readonly #numActive = new Map<Peer, number>();

  constructor(peers: readonly Peer[]) {
    this.#peers = peers;
  }

  /** Models of peers, each once. */
  get models(): readonly string[] {
    return [...new Set(this.#peers.map(({ model }) => model))];
  }

  /** The servers of a model, least busy first; empty when no peer has it. */
  serversOf(model: string): readonly Peer[] {
    const busy = (peer: Peer): number => this.#numActive.get(peer) ?? 0;
    return this.#peers.filter((peer) => peer.model === model).toSorted((a, b) => busy(a) - busy(b));
  }

  /** Counts a request to a peer. @returns to be called once, when it is over */
  begin(peer: Peer): () => void {
    this.#count(peer, 1);
    return () => this.#count(peer, -1);
  }

  #count(peer: Peer, change: number): void {
    this.#numActive.set(peer, (this.#numActive.get(peer) ?? 0) + change);
  }
}
