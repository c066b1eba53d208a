/** Who is told the text of an answer as it comes. */
import { EventQueue } from "../core/event-queue.ts";

/** Called by a pipeline: pieces of text, then the end or the failure. */
export interface TextStreamer {
  /** Whether the prompt is left out; else it is the first piece. */
  readonly skipPrompt: boolean;
  put(text: string): void;
  end(): void;
  fail(error: unknown): void;
}

/**
 * A streamer to loop over, beside the call that fills it.
 *
 * @example
 * ```ts
 * const streamer = new TextIteratorStreamer({ skipPrompt: true });
 * const whole = lite("I love Beijing, because", { streamer });
 * for await (const text of streamer) process.stdout.write(text);
 * await whole;
 * ```
 */
export class TextIteratorStreamer implements TextStreamer, AsyncIterable<string> {
  readonly skipPrompt: boolean;
  readonly #queue = new EventQueue<string>();

  constructor({ skipPrompt = false }: { readonly skipPrompt?: boolean } = {}) {
    this.skipPrompt = skipPrompt;
  }

  put(text: string): void {
    if (text !== "") this.#queue.push(text);
  }

  end(): void {
    this.#queue.end();
  }

  fail(error: unknown): void {
    this.#queue.fail(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<string> {
    return this.#queue[Symbol.asyncIterator]();
  }
}
