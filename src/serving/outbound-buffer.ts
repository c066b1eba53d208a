/**
 * Counts the bytes that wait for one client, and makes producers wait while there are too many. Sockets in Node accept
 * any number of writes; this is what keeps a slow reader from filling the memory. Knows nothing of sockets.
 */

/**
 * @example
 * ```ts
 * await buffer.reserve(bytes.length); // waits while the client lags
 * socket.write(bytes, () => buffer.release(bytes.length));
 * ```
 */
export class OutboundBuffer {
  readonly #limitBytes: number;
  #waitingBytes = 0;
  #isClosed = false;
  #producers: { readonly numBytes: number; readonly admit: () => void }[] = [];

  /** @param limitBytes a single larger piece still passes, alone. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes reserved and not yet released. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** True when another reservation would wait. */
  get isFull(): boolean {
    return this.#producers.length > 0 || this.#waitingBytes >= this.#limitBytes;
  }

  /** Waits for room, first come, first served. Resolves at once after `close`: writes then go nowhere. */
  async reserve(numBytes: number): Promise<void> {
    if (this.#isClosed || (this.#producers.length === 0 && this.#fits(numBytes))) {
      this.#waitingBytes += numBytes;
      return;
    }
    await new Promise<void>((admit) => this.#producers.push({ numBytes, admit }));
  }

  /** To be called when reserved bytes have left. */
  release(numBytes: number): void {
    this.#waitingBytes -= numBytes;
    this.#admitWaiting();
  }

  /** The client is gone: nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    this.#admitWaiting();
  }

  #fits(numBytes: number): boolean {
    return this.#waitingBytes === 0 || this.#waitingBytes + numBytes <= this.#limitBytes;
  }

  #admitWaiting(): void {
    for (;;) {
      const next = this.#producers[0];
      if (next === undefined || !(this.#isClosed || this.#fits(next.numBytes))) return;
      this.#producers.shift();
      this.#waitingBytes += next.numBytes;
      next.admit();
    }
  }
}
