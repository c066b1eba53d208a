/** Streams of tokens that run side by side until they are stopped, whatever makes them. */
import { invariant } from "../src/errors/troupe-error.ts";

/** Opens a stream: yields the number of new tokens whenever there are some, and ends when the signal says so. */
export type OpenStream = (ids: readonly number[], signal: AbortSignal) => AsyncIterable<number>;

/** How long to look at streams: until both minima are reached, but no longer than `maxMs`. */
export interface MeasureOptions {
  readonly minSteps: number;
  readonly minMs: number;
  readonly maxMs: number;
}

interface Stream {
  readonly abort: AbortController;
  ended: Promise<void>;
  hasEnded: boolean;
  numTokens: number;
  onToken: (() => void) | null;
}

/** See the module header. */
export class Streams implements AsyncDisposable {
  readonly #open: OpenStream;
  readonly #streams: Stream[] = [];
  #numTokensOfEnded = 0;

  constructor(open: OpenStream) {
    this.#open = open;
  }

  /** Of all streams so far. */
  get numTokens(): number {
    return this.#streams.reduce((sum, { numTokens }) => sum + numTokens, this.#numTokensOfEnded);
  }

  /** Tokens that the last stream gave; those opened with it have about as many. */
  get numTokensOfLast(): number {
    return this.#streams.at(-1)?.numTokens ?? 0;
  }

  /** Opens a stream for each prompt, and resolves when all of them give tokens. */
  async grow(prompts: readonly (readonly number[])[]): Promise<void> {
    for (const ids of prompts) this.#streams.push(this.#start(ids));
    while (this.#streams.some(({ numTokens }) => numTokens < 2)) await this.step();
  }

  /** Ends streams until so many are left, and resolves when the others go on without them. */
  async shrink(size: number): Promise<void> {
    const leaving = this.#streams.splice(size);
    for (const { abort } of leaving) abort.abort();
    await Promise.all(leaving.map(({ ended }) => ended));
    for (const { numTokens } of leaving) this.#numTokensOfEnded += numTokens;
    // the step that was under way still had them
    for (let step = 0; step < 2 && size > 0; step++) await this.step();
  }

  /** Resolves when the last stream has its next token: a step has ended, and all had a part in it. */
  async step(): Promise<void> {
    const last = this.#streams.at(-1)!;
    const token = new Promise<void>((resolve) => {
      last.onToken = resolve;
    });
    await Promise.race([token, last.ended]);
    invariant(!last.hasEnded, `a stream ended after ${last.numTokens} tokens, before it was measured`);
  }

  /** Steps until it is enough; calls `look` before the first and after each. */
  async measure<T>(
    { minSteps, minMs, maxMs }: MeasureOptions,
    look: () => T,
  ): Promise<[before: T, after: T]> {
    await this.step();
    const startMs = performance.now();
    const before = look();
    for (let numSteps = 1; ; numSteps++) {
      await this.step();
      const ms = performance.now() - startMs;
      if ((numSteps >= minSteps && ms >= minMs) || ms >= maxMs) return [before, look()];
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shrink(0);
  }

  #start(ids: readonly number[]): Stream {
    const abort = new AbortController();
    const stream: Stream = { abort, ended: Promise.resolve(), hasEnded: false, numTokens: 0, onToken: null };
    const run = async (): Promise<void> => {
      try {
        for await (const numTokens of this.#open(ids, abort.signal)) {
          stream.numTokens += numTokens;
          stream.onToken?.();
        }
      } catch (error) {
        if (!abort.signal.aborted) throw error;
      } finally {
        stream.hasEnded = true;
      }
    };
    stream.ended = run();
    return stream;
  }
}

/** Tokens a second of streams that decode. */
export async function tokensPerSecond(streams: Streams, options: MeasureOptions): Promise<number> {
  const look = () => ({ atMs: performance.now(), numTokens: streams.numTokens });
  const [before, after] = await streams.measure(options, look);
  return ((after.numTokens - before.numTokens) / (after.atMs - before.atMs)) * 1000;
}
