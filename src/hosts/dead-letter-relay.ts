/** Sums up a thread's dead letters and reports each sum once per turn of its event loop, so that a flood stays small. */
import type { DeadLetterReason } from "../runtime/actor-events.ts";
import { OP } from "../runtime/envelope.ts";
import type { Link } from "../runtime/link.ts";

interface Sum {
  readonly actor: string;
  readonly kind: string;
  readonly reason: DeadLetterReason;
  count: number;
}

export class DeadLetterRelay {
  readonly #link: () => Link | undefined;
  readonly #sums = new Map<string, Sum>();

  constructor(link: () => Link | undefined) {
    this.#link = link;
  }

  add(actor: string, kind: string, reason: DeadLetterReason, count: number): void {
    const key = `${reason} ${kind} ${actor}`;
    const sum = this.#sums.get(key);
    if (sum !== undefined) {
      sum.count += count;
      return;
    }
    if (this.#sums.size === 0) setImmediate(() => this.flush());
    this.#sums.set(key, { actor, kind, reason, count });
  }

  flush(): void {
    for (const { actor, kind, reason, count } of this.#sums.values()) {
      this.#link()?.post([OP.deadLetters, actor, kind, reason, count]);
    }
    this.#sums.clear();
  }
}
