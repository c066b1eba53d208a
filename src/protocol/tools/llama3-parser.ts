/**
 * Llama 3.1 and later: the whole answer is `{"name": ..., "parameters": {...}}`, several of them with `;` or `,` between,
 * `<|python_tag|>` before them or not. An answer that begins otherwise is text.
 */
import { CallReader } from "./call-reader.ts";
import { type ToolEvent, ToolEventList } from "./tool-events.ts";

const TAG = "<|python_tag|>";

/** @see ToolParser */
export class Llama3Parser {
  readonly #events = new ToolEventList();
  #state: "start" | "call" | "between" | "text" = "start";
  #call = new CallReader(this.#events, true);
  /** Characters that may become text. */
  #held = "";

  push(text: string): ToolEvent[] {
    for (const char of text) this.#take(char);
    return this.#events.take();
  }

  end(): ToolEvent[] {
    if (this.#state === "start") this.#events.text(this.#held);
    if (this.#state === "call" && !this.#call.isAnnounced) this.#events.text(this.#held + this.#call.raw);
    return this.#events.takeLast();
  }

  #take(char: string): void {
    switch (this.#state) {
      case "start":
        this.#atStart(char);
        break;
      case "call":
        this.#inCall(char);
        break;
      case "between":
        if (/[\s;,]/.test(char)) return;
        this.#state = "start";
        this.#atStart(char);
        break;
      case "text":
        this.#events.text(char);
        break;
    }
  }

  #atStart(char: string): void {
    const begun = (this.#held + char).trimStart();
    if (char === "{" && (begun === "{" || begun.trimEnd().replace(TAG, "").trim() === "{")) {
      this.#state = "call";
      this.#call = new CallReader(this.#events, true);
      this.#inCall(char);
      return;
    }
    this.#held += char;
    if (TAG.startsWith(begun) || (begun.startsWith(TAG) && begun.slice(TAG.length).trim() === "")) return;
    this.#becomeText(this.#held);
  }

  #inCall(char: string): void {
    const status = this.#call.push(char);
    if (status === "done") {
      this.#state = "between";
      this.#held = "";
    }
    if (status === "failed") {
      if (this.#call.isAnnounced) this.#state = "text";
      else this.#becomeText(this.#held + this.#call.raw);
    }
  }

  #becomeText(text: string): void {
    this.#state = "text";
    this.#held = "";
    this.#events.text(text);
  }
}
