/** Finished responses, for retrieval and for conversations that go on from them. Bounded in bytes and in time. */
import type { Clock } from "../../core/clock.ts";
import type { ChatMessage } from "../../protocol/engine.ts";
import type { InputItem } from "../../protocol/openai/response-items.ts";
import type { WireResponse } from "../../protocol/openai/response-object.ts";

/** What is kept of a response. */
export interface StoredResponse {
  /** Who alone may see it. */
  readonly owner: string;
  readonly response: WireResponse;
  /** What the request itself brought, oldest first. */
  readonly inputItems: readonly InputItem[];
  /** The whole conversation without instructions, the answer included. */
  readonly history: readonly ChatMessage[];
}

interface Entry {
  readonly stored: StoredResponse;
  readonly numBytes: number;
  readonly storedMs: number;
}

/** The oldest make room for new ones. */
export class ResponseStore {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #ttlMs: number;
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>();
  #numBytes = 0;

  constructor(options: { readonly clock: Clock; readonly maxBytes: number; readonly ttlMs: number }) {
    this.#clock = options.clock;
    this.#maxBytes = options.maxBytes;
    this.#ttlMs = options.ttlMs;
  }

  /** Bytes in use, by the length of the texts. */
  get numBytes(): number {
    return this.#numBytes;
  }

  /** A response that alone is over the limit is not stored. */
  put(stored: StoredResponse): void {
    const numBytes = sizeOf(stored);
    this.delete(stored.response.id);
    this.#dropExpired();
    if (numBytes > this.#maxBytes) return;
    for (const id of this.#entries.keys()) {
      if (this.#numBytes + numBytes <= this.#maxBytes) break;
      this.delete(id);
    }
    this.#entries.set(stored.response.id, { stored, numBytes, storedMs: this.#clock.now() });
    this.#numBytes += numBytes;
  }

  get(id: string): StoredResponse | undefined {
    this.#dropExpired();
    return this.#entries.get(id)?.stored;
  }

  /** @returns false when there was none. */
  delete(id: string): boolean {
    this.#numBytes -= this.#entries.get(id)?.numBytes ?? 0;
    return this.#entries.delete(id);
  }

  #dropExpired(): void {
    for (const [id, { storedMs }] of this.#entries) {
      if (this.#clock.now() - storedMs < this.#ttlMs) return;
      this.delete(id);
    }
  }
}

/** Two bytes a character: what a string takes at most. */
function sizeOf(stored: StoredResponse): number {
  return 2 * JSON.stringify(stored).length;
}
