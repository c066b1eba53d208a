/**
 * Which running actors belong to which groups, as one thread knows it. The system's thread announces every change, so
 * all threads see the members of a group in the same order: that of joining.
 */
import type { AnyActorRef, GroupChange } from "./actor-types.ts";

type Listener = (change: GroupChange) => void;

/** One membership, as a thread that starts later is told of it. */
export interface Membership {
  readonly group: string;
  readonly address: number;
}

export class GroupTable {
  readonly #members = new Map<string, Map<number, AnyActorRef>>();
  readonly #listeners = new Map<string, Set<Listener>>();

  members(group: string): AnyActorRef[] {
    return [...(this.#members.get(group)?.values() ?? [])];
  }

  memberships(): Membership[] {
    return [...this.#members].flatMap(([group, members]) =>
      [...members.keys()].map((address) => ({ group, address })),
    );
  }

  /** @returns false when it was a member already. */
  join(group: string, address: number, actor: string): boolean {
    const members = this.#members.get(group) ?? new Map<number, AnyActorRef>();
    if (members.has(address)) return false;
    this.#members.set(group, members.set(address, { actor }));
    this.#notify(group, "joined", actor);
    return true;
  }

  /** @returns false when it was no member. */
  leave(group: string, address: number): boolean {
    const members = this.#members.get(group);
    const ref = members?.get(address);
    if (members === undefined || ref === undefined) return false;
    members.delete(address);
    if (members.size === 0) this.#members.delete(group);
    this.#notify(group, "left", ref.actor);
    return true;
  }

  /** The incarnation is no more. */
  leaveAll(address: number): void {
    for (const group of [...this.#members.keys()]) this.leave(group, address);
  }

  /** Calls `listener` at every change, until the returned function is called. */
  listen(group: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(group) ?? new Set<Listener>();
    this.#listeners.set(group, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(group) === listeners) this.#listeners.delete(group);
    };
  }

  #notify(group: string, kind: GroupChange["kind"], actor: string): void {
    const listeners = this.#listeners.get(group);
    if (listeners === undefined) return;
    const change: GroupChange = { group, kind, ref: { actor }, members: this.members(group) };
    for (const listener of [...listeners]) listener(change);
  }
}
