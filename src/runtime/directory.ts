/** The running actors of a system, as one thread knows them, and what waits to learn of one. */
import type { DownReason } from "./actor-types.ts";
import type { DirectoryEntry } from "./envelope.ts";
import { SharedMailbox } from "./shared-mailbox.ts";

/** A running incarnation, with this thread's view of its mailbox. */
export interface Located {
  readonly entry: DirectoryEntry;
  readonly mailbox: SharedMailbox;
  /** Called once when it is down. */
  readonly watchers: Set<(reason: DownReason) => void>;
}

/** `down`: known, but not running now. */
export type Lookup = Located | "down" | undefined;

export class Directory {
  readonly #byName = new Map<string, Located | "down">();
  readonly #byAddress = new Map<number, Located>();

  find(name: string): Lookup {
    return this.#byName.get(name);
  }

  findAddress(address: number): Located | undefined {
    return this.#byAddress.get(address);
  }

  up(entry: DirectoryEntry): Located {
    const located = { entry, mailbox: new SharedMailbox(entry.mailbox), watchers: new Set<never>() };
    this.#byName.set(entry.name, located);
    this.#byAddress.set(entry.address, located);
    return located;
  }

  /** @returns what was running at that address, if it was known. */
  down(address: number): Located | undefined {
    const located = this.#byAddress.get(address);
    if (located === undefined) return undefined;
    this.#byAddress.delete(address);
    if (this.#byName.get(located.entry.name) === located) this.#byName.set(located.entry.name, "down");
    return located;
  }

  /** The name is known, but nothing runs under it. */
  markDown(name: string): void {
    if (!this.#byName.has(name)) this.#byName.set(name, "down");
  }

  downNames(): string[] {
    return [...this.#byName].flatMap(([name, found]) => (found === "down" ? [name] : []));
  }

  /** The name is given up. */
  forget(name: string): void {
    if (this.#byName.get(name) === "down") this.#byName.delete(name);
  }

  /** Who runs. */
  entries(): DirectoryEntry[] {
    return [...this.#byAddress.values()].map((located) => located.entry);
  }
}
