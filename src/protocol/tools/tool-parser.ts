/**
 * Reads the tool calls out of what a model writes, as it comes. However the text is cut into pieces, the events joined
 * are the same.
 */
import type { ToolParserName } from "../../config/config.ts";
import { ChatGlm3Parser } from "./chatglm3-parser.ts";
import { HermesParser } from "./hermes-parser.ts";
import { Llama3Parser } from "./llama3-parser.ts";
import { MistralParser } from "./mistral-parser.ts";
import type { ToolEvent } from "./tool-events.ts";

/** Stateful: one for each answer. */
export interface ToolParser {
  /** Takes more text. */
  push(text: string): ToolEvent[];
  /** The answer has ended: gives what was held back. */
  end(): ToolEvent[];
}

/**
 * @param name `json` is the bare list that constrained calls are written in
 * @example
 * ```ts
 * const parser = createToolParser("hermes");
 * parser.push('Sure. <tool_call>{"name": "add", "arg'); // text "Sure."
 * parser.push('uments": {"x": 1}}</tool_call>'); // call 0 "add", then its arguments
 * parser.end();
 * ```
 */
export function createToolParser(name: ToolParserName | "json"): ToolParser {
  switch (name) {
    case "hermes":
      return new HermesParser();
    case "llama3":
      return new Llama3Parser();
    case "mistral":
      return new MistralParser("[TOOL_CALLS]");
    case "chatglm3":
      return new ChatGlm3Parser();
    case "json":
      return new MistralParser("");
  }
}

/**
 * The family that is configured; for `auto` the one whose marks stand in the chat template, else that of the
 * architecture. Null when none is wanted or known.
 *
 * @param template source of the model's chat templates, null for none
 * @param architecture as in the model's config.json
 */
export function resolveToolParser(
  configured: ToolParserName | "auto" | "none",
  template: string | null,
  architecture: string,
): ToolParserName | null {
  if (configured !== "auto") return configured === "none" ? null : configured;
  if (template?.includes("<tool_call>")) return "hermes";
  if (template?.includes("[TOOL_CALLS]")) return "mistral";
  if (template?.includes("<|python_tag|>") || template?.includes("ipython")) return "llama3";
  return /chatglm/i.test(architecture) ? "chatglm3" : null;
}
