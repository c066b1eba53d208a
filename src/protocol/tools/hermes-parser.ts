/** `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, any number of times, text around it: Hermes, Qwen, Understudy. */
import { CallReader } from "./call-reader.ts";
import { Marker } from "./marker.ts";
import { type ToolEvent, ToolEventList } from "./tool-events.ts";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";

/** @see ToolParser */
export class HermesParser {
  readonly #events = new ToolEventList();
  readonly #open = new Marker(OPEN);
  readonly #close = new Marker(CLOSE);
  #state: "text" | "call" | "behind" = "text";
  #call: CallReader | null = null;
  /** White space between the opening tag and the call. */
  #space = "";

  push(text: string): ToolEvent[] {
    for (const char of text) this.#take(char);
    return this.#events.take();
  }

  end(): ToolEvent[] {
    if (this.#state === "text") this.#events.text(this.#open.release());
    if (this.#state === "call") this.#giveBack();
    return this.#events.takeLast();
  }

  #take(char: string): void {
    if (this.#state === "text") this.#inText(char);
    else if (this.#state === "call") this.#inCall(char);
    else this.#behindCall(char);
  }

  #inText(char: string): void {
    const { text, isFound } = this.#open.push(char);
    if (text !== "") this.#events.text(text);
    if (!isFound) return;
    this.#state = "call";
    this.#call = null;
    this.#space = "";
  }

  #inCall(char: string): void {
    if (this.#call === null && /\s/.test(char)) {
      this.#space += char;
      return;
    }
    this.#call ??= new CallReader(this.#events, false);
    const status = this.#call.push(char);
    if (status === "done") this.#state = "behind";
    if (status === "failed") this.#giveBack();
  }

  /** Whatever stands between the call and its closing tag is dropped. */
  #behindCall(char: string): void {
    if (this.#close.push(char).isFound) this.#state = "text";
  }

  /** What was read is no call: it is text. One that was announced stays as far as it came. */
  #giveBack(): void {
    this.#state = this.#call?.isAnnounced ? "behind" : "text";
    if (!this.#call?.isAnnounced) this.#events.text(OPEN + this.#space + (this.#call?.raw ?? ""));
    this.#call = null;
  }
}
