/** Tools of the Responses API, whose definitions lie one level higher than in chat. */
import type { ToolRequest } from "../tools/tool-plan.ts";
import { readTools, type WireTools } from "./tool-fields.ts";

/** The tools of one request. */
export interface ResponseTools {
  /** Null when none may be called. */
  readonly request: ToolRequest | null;
  /** As chat templates take them. */
  readonly forTemplate: readonly object[];
  /** As they came, to be given back. */
  readonly given: readonly unknown[];
  readonly choice: unknown;
  readonly isParallel: boolean;
}

/** @throws TroupeError `invalid_request` or `unsupported`, naming the field */
export function readResponseTools(wire: WireTools): ResponseTools {
  const given = wire.tools ?? [];
  const forTemplate = given.map(toChatTool);
  const choice = wire.tool_choice ?? "auto";
  const request = readTools(
    { ...wire, tools: forTemplate, tool_choice: toChatChoice(wire.tool_choice) },
    (index) => `tools[${index}]`,
  );
  return { request, forTemplate, given, choice, isParallel: wire.parallel_tool_calls ?? true };
}

function toChatTool(tool: unknown): object {
  const { type, ...definition } = tool as { readonly type?: unknown };
  return type === "function" || type === undefined ? { type: "function", function: definition } : { type };
}

function toChatChoice(choice: unknown): unknown {
  const { type, name } = (typeof choice === "object" && choice !== null ? choice : {}) as {
    readonly type?: unknown;
    readonly name?: unknown;
  };
  return type === "function" ? { type, function: { name } } : choice;
}
