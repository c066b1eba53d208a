/**
 * Mistral: text, `[TOOL_CALLS]`, then a list of `{"name": ..., "arguments": {...}}`, or (newer models) `name{...}` with
 * `[ARGS]` between or not, the mark before each. Without a mark: the bare list that constrained calls are written in.
 */
import { CallReader } from "./call-reader.ts";
import { Marker } from "./marker.ts";
import { ObjectReader } from "./object-reader.ts";
import { type ToolEvent, ToolEventList } from "./tool-events.ts";

const ARGS = "[ARGS]";

/** @see ToolParser */
export class MistralParser {
  readonly #events = new ToolEventList();
  readonly #mark: string;
  readonly #marker: Marker;
  #state: "text" | "start" | "list" | "call" | "name" | "object";
  #call: CallReader;
  #object = new ObjectReader();
  #name = "";
  /** Characters since the mark that belong to no call yet. */
  #held = "";

  constructor(mark: string) {
    this.#mark = mark;
    this.#call = new CallReader(this.#events, mark === "");
    this.#marker = new Marker(mark);
    this.#state = mark === "" ? "start" : "text";
  }

  push(text: string): ToolEvent[] {
    for (const char of text) this.#take(char);
    return this.#events.take();
  }

  end(): ToolEvent[] {
    if (this.#state === "text") this.#events.text(this.#marker.release());
    if (this.#state === "start" || this.#state === "name") this.#events.text(this.#mark + this.#held);
    if (this.#state === "call" && !this.#call.isAnnounced && this.#events.numCalls === 0)
      this.#events.text(this.#mark + this.#held + this.#call.raw);
    return this.#events.takeLast();
  }

  #take(char: string): void {
    switch (this.#state) {
      case "text":
        this.#inText(char);
        break;
      case "start":
        this.#atStart(char);
        break;
      case "list":
        this.#inList(char);
        break;
      case "call":
        this.#inCall(char);
        break;
      case "name":
        this.#inName(char);
        break;
      case "object":
        this.#inObject(char);
        break;
    }
  }

  #inText(char: string): void {
    if (this.#mark === "") {
      this.#events.text(char);
      return;
    }
    const { text, isFound } = this.#marker.push(char);
    if (text !== "") this.#events.text(text);
    if (!isFound) return;
    this.#state = "start";
    this.#held = "";
  }

  #atStart(char: string): void {
    if (char === "{" && this.#mark !== "") {
      this.#beginCall(char);
      return;
    }
    this.#held += char;
    if (/\s/.test(char)) return;
    this.#name = char === "[" ? "" : char;
    if (char === "[") this.#state = "list";
    else if (this.#mark !== "" && /[\w.-]/.test(char)) this.#state = "name";
    else this.#giveUp(this.#mark + this.#held);
  }

  #inList(char: string): void {
    if (char === "{") {
      this.#beginCall(char);
      return;
    }
    if (char === "]") this.#state = "text";
    else if (/[\s,]/.test(char)) this.#held += char;
    else this.#giveUp(this.#events.numCalls === 0 ? this.#mark + this.#held + char : char);
  }

  #beginCall(char: string): void {
    this.#state = "call";
    this.#call = new CallReader(this.#events, this.#mark === "");
    this.#inCall(char);
  }

  #inCall(char: string): void {
    const status = this.#call.push(char);
    if (status === "done") {
      this.#state = "list";
      this.#held = "";
    }
    if (status !== "failed") return;
    if (this.#call.isAnnounced) this.#state = "text";
    else this.#giveUp((this.#events.numCalls === 0 ? this.#mark + this.#held : "") + this.#call.raw);
  }

  #inName(char: string): void {
    if (char === "{") {
      this.#events.call(this.#name.replace(ARGS, "").trim());
      this.#state = "object";
      this.#object = new ObjectReader();
      this.#inObject(char);
      return;
    }
    this.#name += char;
    this.#held += char;
    if (!/^[\w.-]+(?:\s*|\[(?:A(?:R(?:G(?:S(?:\]\s*)?)?)?)?)?)$/.test(this.#name))
      this.#giveUp(this.#mark + this.#held);
  }

  #inObject(char: string): void {
    this.#events.arguments(char);
    if (!this.#object.push(char)) return;
    this.#state = "text";
    this.#held = "";
  }

  #giveUp(text: string): void {
    this.#state = "text";
    this.#held = "";
    this.#events.text(text);
  }
}
