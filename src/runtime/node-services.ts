/**
 * Groups and requests to the system, as one thread takes part in them. The system's thread decides and announces; the
 * others ask it and hear.
 */
import { encodeError } from "../errors/error-codec.ts";
import type { GroupChange, Watch } from "./actor-types.ts";
import type { Directory } from "./directory.ts";
import { type Envelope, OP } from "./envelope.ts";
import { GroupTable } from "./group-table.ts";
import type { Link } from "./link.ts";
import { type SystemRequest, SystemRequests } from "./system-requests.ts";

/** Works on a request of the actor at `address`; only the system's own thread can. */
export type ServeRequest = (address: number, request: SystemRequest) => Promise<void>;

/** What the services need of their thread. */
export interface ServicesHome {
  readonly directory: Directory;
  /** Null on every thread but the system's own. */
  readonly serve: ServeRequest | null;
  systemLink(): Link | undefined;
  /** To all other threads; used on the system's own. */
  broadcast(envelope: Envelope): void;
}

export class NodeServices {
  readonly groups = new GroupTable();
  readonly #home: ServicesHome;
  readonly #requests: SystemRequests;

  constructor(home: ServicesHome) {
    this.#home = home;
    this.#requests = new SystemRequests((requestId, address, request) =>
      home.systemLink()?.post([OP.request, requestId, address, request]),
    );
  }

  request(address: number, request: SystemRequest): Promise<void> {
    const { serve } = this.#home;
    return serve === null ? this.#requests.request(address, request) : serve(address, request);
  }

  /** Joins or leaves; known everywhere once the system's thread has announced it. */
  setMember(group: string, address: number, isMember: boolean): void {
    if (this.#home.serve === null) this.#home.systemLink()?.post([OP.group, group, address, isMember]);
    else if (this.apply(group, address, isMember)) {
      this.#home.broadcast([OP.group, group, address, isMember]);
    }
  }

  /** @returns false when nothing changed; an incarnation that is down joins nothing. */
  apply(group: string, address: number, isMember: boolean): boolean {
    const located = this.#home.directory.findAddress(address);
    if (located === undefined) return false;
    return isMember
      ? this.groups.join(group, address, located.entry.name)
      : this.groups.leave(group, address);
  }

  watchGroup(group: string, onChange: (change: GroupChange) => void): Watch {
    return { cancel: this.groups.listen(group, onChange) };
  }

  /** @returns whether the envelope was for the services. */
  receive(envelope: Envelope, from: Link): boolean {
    switch (envelope[0]) {
      case OP.group:
        if (this.#home.serve === null) this.apply(envelope[1], envelope[2], envelope[3]);
        else this.setMember(envelope[1], envelope[2], envelope[3]);
        return true;
      case OP.request:
        void this.#answer(envelope[1], envelope[2], envelope[3], from);
        return true;
      case OP.answered:
        this.#requests.answered(envelope[1], envelope[2]);
        return true;
      default:
        return false;
    }
  }

  async #answer(requestId: number, address: number, request: SystemRequest, to: Link): Promise<void> {
    try {
      await this.#home.serve?.(address, request);
      to.post([OP.answered, requestId, null]);
    } catch (error) {
      to.post([OP.answered, requestId, encodeError(error)]);
    }
  }
}
