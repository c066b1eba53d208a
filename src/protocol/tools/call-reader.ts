/**
 * Reads one call written as a JSON object, `{"name": ..., "arguments": {...}}`, character by character: the arguments are
 * given on as they come, once the name is known.
 */
import type { ToolEventList } from "./tool-events.ts";

/** Where a call stands: `failed` is JSON of something else, or no JSON. */
export type CallStatus = "reading" | "done" | "failed";

const ARGUMENT_KEYS = ["arguments", "parameters"];
const OTHER_KEYS = ["name", "type", "id"];

/** See the module header. Begins at the opening brace. */
export class CallReader {
  readonly #events: ToolEventList;
  readonly #needsArguments: boolean;
  #status: CallStatus = "reading";
  #raw = "";
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** The key whose value is read; null while a key is awaited. */
  #key: string | null = null;
  /** A key or a value so far. */
  #part = "";
  #name: string | null = null;
  #arguments: string | null = null;
  #isStreaming = false;

  /** @param needsArguments without them it is no call; where nothing else marks one, JSON with a name is not enough */
  constructor(events: ToolEventList, needsArguments: boolean) {
    this.#events = events;
    this.#needsArguments = needsArguments;
  }

  /** All characters so far. */
  get raw(): string {
    return this.#raw;
  }

  /** The call has been announced: it can no longer be taken back. */
  get isAnnounced(): boolean {
    return this.#isStreaming;
  }

  push(char: string): CallStatus {
    this.#raw += char;
    if (this.#depth === 0) {
      if (char === "{") this.#depth = 1;
      else this.#status = "failed";
    } else this.#inside(char);
    return this.#status;
  }

  #inside(char: string): void {
    if (this.#isInString) {
      this.#add(char);
      if (this.#isEscaped) this.#isEscaped = false;
      else if (char === "\\") this.#isEscaped = true;
      else if (char === '"') this.#isInString = false;
      return;
    }
    if (this.#depth === 1 && ",}:".includes(char)) {
      this.#separator(char);
      return;
    }
    if (char === '"') this.#isInString = true;
    if ("{[".includes(char)) this.#depth++;
    this.#add(char);
    if ("}]".includes(char)) this.#depth--;
  }

  #separator(char: string): void {
    if (char === ":") {
      const key = this.#key === null ? parsed(this.#part) : undefined;
      const isKnown = typeof key === "string" && [...ARGUMENT_KEYS, ...OTHER_KEYS].includes(key);
      if (!isKnown) this.#status = "failed";
      this.#key = isKnown ? key : null;
      this.#part = "";
      return;
    }
    this.#endValue();
    if (char === "}" && this.#status === "reading") this.#end();
  }

  /** A character of a key or a value; arguments that are an object go on at once. */
  #add(char: string): void {
    const isStart = this.#part === "" && /\s/.test(char);
    if (isStart) return;
    this.#part += char;
    const isArguments = this.#key !== null && ARGUMENT_KEYS.includes(this.#key);
    if (!isArguments || this.#name === null || !this.#part.startsWith("{")) return;
    if (!this.#isStreaming) {
      this.#isStreaming = true;
      this.#events.call(this.#name);
    }
    // Behind the closing brace only white space can follow, which is not of the value.
    if (this.#depth > 1) this.#events.arguments(char);
  }

  #endValue(): void {
    if (this.#key === null) {
      if (this.#part.trim() !== "") this.#status = "failed";
      return;
    }
    if (this.#key === "name") {
      const name = parsed(this.#part);
      if (typeof name === "string" && name !== "") this.#name = name;
      else this.#status = "failed";
    } else if (ARGUMENT_KEYS.includes(this.#key)) this.#arguments = this.#part.trimEnd();
    this.#key = null;
    this.#part = "";
  }

  #end(): void {
    const isMissing = this.#needsArguments && this.#arguments === null && !this.#isStreaming;
    if (this.#name === null || isMissing) {
      this.#status = "failed";
      return;
    }
    this.#status = "done";
    if (this.#isStreaming) return;
    const given = this.#arguments ?? "{}";
    const value = parsed(given);
    this.#events.call(this.#name);
    // Some models write the arguments as a string that holds JSON.
    this.#events.arguments(typeof value === "string" ? value : given);
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}
