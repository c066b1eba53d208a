/**
 * ChatGLM3: the tool's name on the first line, then `tool_call(city='Paris', days=3)` in a block of Python code. The
 * arguments are given on when the call is complete, as JSON. An answer that begins otherwise is text.
 */
import { keywordArguments } from "./python-arguments.ts";
import { type ToolEvent, ToolEventList } from "./tool-events.ts";

/** The beginning of an answer that may still become a call. */
const MAY_BE_CALL =
  /^\s*[\w.-]{0,128}[ \t]*(?:\n\s*(?:`{0,3}|```[a-z]{0,10}|```[a-z]{0,10}\s+[a-z_]{0,9}|```[a-z]{0,10}\s+tool_call\([\s\S]*))?$/;
const CALL = /^\s*(?<name>[\w.-]{1,128})[ \t]*\n\s*```(?:[a-z]*)\s+tool_call\((?<rest>[\s\S]*)$/;
/** A call of more characters is given up, so that the work for one character stays bounded. */
const MAX_CALL_CHARS = 16_384;

/** @see ToolParser */
export class ChatGlm3Parser {
  readonly #events = new ToolEventList();
  #state: "start" | "behind" | "text" = "start";
  #held = "";

  push(text: string): ToolEvent[] {
    for (const char of text) this.#take(char);
    return this.#events.take();
  }

  end(): ToolEvent[] {
    if (this.#state === "start") this.#events.text(this.#held);
    return this.#events.takeLast();
  }

  #take(char: string): void {
    if (this.#state === "text") {
      this.#events.text(char);
      return;
    }
    if (this.#state === "behind") return; // the end of the code block
    this.#held += char;
    if (char === ")") this.#tryCall();
    if (this.#state !== "start") return;
    if (this.#held.length <= MAX_CALL_CHARS && MAY_BE_CALL.test(this.#held)) return;
    this.#state = "text";
    this.#events.text(this.#held);
  }

  #tryCall(): void {
    const { name, rest } = CALL.exec(this.#held)?.groups ?? {};
    const given = rest === undefined ? null : keywordArguments(rest);
    if (name === undefined || given === null) return;
    this.#state = "behind";
    this.#events.call(name);
    this.#events.arguments(JSON.stringify(given));
  }
}
