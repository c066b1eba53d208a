/** `tools`, `tool_choice` and `parallel_tool_calls` of a chat request. */
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ToolSpec } from "../../sampling/grammar/grammar-spec.ts";
import type { ToolRequest } from "../tools/tool-plan.ts";

/** Shape of the fields beside `tools`. */
export const toolShape = {
  tool_choice: z.unknown().optional(),
  parallel_tool_calls: z.boolean().nullish(),
} as const;

/** The fields as they come. */
export interface WireTools {
  readonly tools?: readonly unknown[] | null | undefined;
  readonly tool_choice?: unknown;
  readonly parallel_tool_calls?: boolean | null | undefined;
}

const NAME = /^[\w.-]{1,64}$/;

/**
 * Null when nothing may be called: then tools are only shown to the template.
 *
 * @param definitionAt where the request has the definition of a tool, for errors
 * @throws TroupeError `invalid_request` or `unsupported`, naming the field
 */
export function readTools(
  wire: WireTools,
  definitionAt: (index: number) => string = (index) => `tools[${index}].function`,
): ToolRequest | null {
  const given = wire.tools ?? [];
  const choice = wire.tool_choice ?? (given.length === 0 ? "none" : "auto");
  if (choice === "none" || (choice === "auto" && given.length === 0)) return null;
  const named = readChoice(choice);
  const tools = given.map((tool, index) => readTool(tool, `tools[${index}]`, definitionAt(index)));
  const seen = new Set<string>();
  for (const { name } of tools) {
    if (seen.has(name)) throw invalid("tools", `two tools are called ${JSON.stringify(name)}`);
    seen.add(name);
  }
  if (tools.length === 0) throw invalid("tool_choice", 'it asks for a call, but there are no "tools"');
  const isParallel = wire.parallel_tool_calls ?? true;
  if (named === "auto") return { tools, choice: "auto", isParallel };
  if (named === "required") return { tools, choice: "forced", isParallel };
  const chosen = tools.filter(({ name }) => name === named.name);
  if (chosen.length === 0) throw invalid("tool_choice", `no tool is called ${JSON.stringify(named.name)}`);
  return { tools: chosen, choice: "forced", isParallel: false };
}

function readChoice(choice: unknown): "auto" | "required" | { readonly name: string } {
  if (choice === "auto" || choice === "required") return choice;
  const { type, function: called } = (typeof choice === "object" && choice !== null ? choice : {}) as {
    readonly type?: unknown;
    readonly function?: { readonly name?: unknown } | null;
  };
  if (type === "function" && typeof called?.name === "string") return { name: called.name };
  throw invalid(
    "tool_choice",
    'it must be "auto", "none", "required" or {"type": "function", "function": {"name": "..."}}',
  );
}

function readTool(tool: unknown, where: string, definitionAt: string): ToolSpec {
  const { type, function: definition } = (typeof tool === "object" && tool !== null ? tool : {}) as {
    readonly type?: unknown;
    readonly function?: Readonly<Record<string, unknown>> | null;
  };
  if (typeof type === "string" && type !== "function") {
    const message = `"${where}.type": tools of type ${JSON.stringify(type)} are not supported; only "function" is.`;
    throw new TroupeError("unsupported", message, { details: { param: `${where}.type` } });
  }
  const name = definition?.name;
  if (typeof name !== "string" || !NAME.test(name))
    throw invalid(
      `${definitionAt}.name`,
      "a name of 1 to 64 letters, digits, dots, dashes and underscores is expected",
    );
  const strict = definition?.strict ?? false;
  if (typeof strict !== "boolean") throw invalid(`${definitionAt}.strict`, "it must be true or false");
  return {
    name,
    parameters: definition?.parameters ?? null,
    isStrict: strict,
    param: `${definitionAt}.parameters`,
  };
}

function invalid(param: string, problem: string): TroupeError {
  return new TroupeError("invalid_request", `"${param}": ${problem}.`, { details: { param } });
}
