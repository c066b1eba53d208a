/** What a tool parser finds, and the list it is gathered in. */

/** In order: `call` opens a call, `arguments` are pieces of its JSON text; `text` belongs to no call. */
export type ToolEvent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "call"; readonly index: number; readonly name: string }
  | { readonly kind: "arguments"; readonly index: number; readonly text: string };

/** A call as a whole. */
export interface ToolCall {
  readonly name: string;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
}

/** Gathers events; neighbours of the same kind become one. */
export class ToolEventList {
  #events: ToolEvent[] = [];
  #numCalls = 0;
  #heldSpace = "";

  get numCalls(): number {
    return this.#numCalls;
  }

  /** Text outside calls. White space waits: between text and a call, and behind a call, it is dropped. */
  text(text: string): void {
    const content = text.trimEnd();
    if (content !== "") this.#append({ kind: "text", text: this.#heldSpace + content });
    this.#heldSpace = content === "" ? this.#heldSpace + text : text.slice(content.length);
  }

  call(name: string): void {
    this.#heldSpace = "";
    this.#events.push({ kind: "call", index: this.#numCalls++, name });
  }

  /** A piece of the arguments of the last call. */
  arguments(text: string): void {
    if (text !== "") this.#append({ kind: "arguments", index: this.#numCalls - 1, text });
  }

  /** The events since the last time. */
  take(): ToolEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** The last events: white space at the end of an answer without calls is part of it. */
  takeLast(): ToolEvent[] {
    if (this.#numCalls === 0 && this.#heldSpace !== "") this.#append({ kind: "text", text: this.#heldSpace });
    this.#heldSpace = "";
    return this.take();
  }

  #append(event: Exclude<ToolEvent, { kind: "call" }>): void {
    const last = this.#events.at(-1);
    if (last === undefined || last.kind === "call" || last.kind !== event.kind) this.#events.push(event);
    else this.#events[this.#events.length - 1] = { ...event, text: last.text + event.text };
  }
}
