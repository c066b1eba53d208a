/** The tool calls of one answer, for the wire formats: piece by piece or as a whole. */
import type { ToolCall, ToolEvent } from "./tool-events.ts";
import { createToolParser, type ToolParser } from "./tool-parser.ts";
import type { ToolPlan } from "./tool-plan.ts";

/** A parser that drops calls beyond the plan's limit. Stateful: one for each answer. */
export class ToolReader implements ToolParser {
  readonly #parser: ToolParser;
  readonly #maxCalls: number;
  #numCalls = 0;

  constructor({ parser, maxCalls }: Pick<ToolPlan, "parser" | "maxCalls">) {
    this.#parser = createToolParser(parser);
    this.#maxCalls = maxCalls;
  }

  /** Calls so far. */
  get numCalls(): number {
    return this.#numCalls;
  }

  push(text: string): ToolEvent[] {
    return this.#within(this.#parser.push(text));
  }

  end(): ToolEvent[] {
    return this.#within(this.#parser.end());
  }

  #within(events: ToolEvent[]): ToolEvent[] {
    const kept = events.filter((event) => event.kind === "text" || event.index < this.#maxCalls);
    for (const event of kept) if (event.kind === "call") this.#numCalls = event.index + 1;
    return kept;
  }
}

/** An answer as its text beside the calls, and the calls. */
export interface ReadAnswer {
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** Reads a whole answer. */
export function readToolCalls(plan: Pick<ToolPlan, "parser" | "maxCalls">, answer: string): ReadAnswer {
  const reader = new ToolReader(plan);
  let text = "";
  const calls: { name: string; arguments: string }[] = [];
  for (const event of [...reader.push(answer), ...reader.end()]) {
    if (event.kind === "text") text += event.text;
    else if (event.kind === "call") calls.push({ name: event.name, arguments: "" });
    else calls[event.index]!.arguments += event.text;
  }
  return { text, calls };
}
