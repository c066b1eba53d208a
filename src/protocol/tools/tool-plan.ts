/** What a request's tools mean for its answer: how calls are read out of it, and how it is constrained. */
import type { ToolParserName } from "../../config/config.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GrammarSpec, ToolSpec } from "../../sampling/grammar/grammar-spec.ts";

/** The tools of a request and what it wants of them. */
export interface ToolRequest {
  /** Those that may be called. */
  readonly tools: readonly ToolSpec[];
  /** `auto` leaves it to the model; `forced` gets a call and nothing else. */
  readonly choice: "auto" | "forced";
  /** More than one call in an answer. */
  readonly isParallel: boolean;
}

/** How the answer is made and read. */
export interface ToolPlan {
  readonly parser: ToolParserName | "json";
  /** Null leaves the answer free. */
  readonly grammar: GrammarSpec | null;
  /** Some families mark calls with special tokens, which must stay in the text to be seen. */
  readonly keepsSpecialTokens: boolean;
  readonly maxCalls: number;
}

/** Calls of one constrained answer: a model that repeats itself has to stop somewhere. */
const MAX_FORCED_CALLS = 8;

/**
 * @param parser of the model; null when its form is not known
 * @param format the form of the answer that the request wants when it is no call; null for any
 * @throws TroupeError `unsupported` when calls could not be read
 */
export function planTools(
  { tools, choice, isParallel }: ToolRequest,
  parser: ToolParserName | null,
  format: GrammarSpec | null,
): ToolPlan {
  const maxCalls = isParallel ? Number.POSITIVE_INFINITY : 1;
  const isFree = choice === "auto" && format === null;
  if (isFree && parser !== null) {
    const keepsSpecialTokens = parser === "llama3" || parser === "mistral";
    return { parser, grammar: strictCalls(tools, parser), keepsSpecialTokens, maxCalls };
  }
  if (choice === "auto" && parser === null) throw unreadable();
  const form = parser === "hermes" ? "hermes" : "json";
  const calls: GrammarSpec = {
    kind: "tool_calls",
    param: "tools",
    tools,
    form,
    maxCalls: Math.min(maxCalls, MAX_FORCED_CALLS),
    isFree: false,
  };
  const grammar: GrammarSpec =
    choice === "auto" && format !== null
      ? { kind: "any_of", param: format.param, specs: [format, calls] }
      : calls;
  return { parser: form, grammar, keepsSpecialTokens: false, maxCalls };
}

/** Free text whose calls are those of the tools, the strict ones with arguments that validate. Null when none is strict. */
function strictCalls(tools: readonly ToolSpec[], parser: ToolParserName): GrammarSpec | null {
  const strict = tools.find(({ isStrict }) => isStrict);
  if (strict === undefined) return null;
  if (parser !== "hermes") {
    const message = `"strict": true cannot be kept for calls in the form of this model (${parser}) while it may also answer without one. Send "tool_choice": "required" or a named tool, or leave "strict" out.`;
    const param = strict.param.replace(/parameters$/, "strict");
    throw new TroupeError("unsupported", message, { details: { param } });
  }
  const enforced = tools.map((tool) => (tool.isStrict ? tool : { ...tool, parameters: null }));
  // How many are given on is the reader's to say.
  return { kind: "tool_calls", param: "tools", tools: enforced, form: "hermes", maxCalls: 1, isFree: true };
}

function unreadable(): TroupeError {
  const message =
    'How this model writes tool calls is not known. Set model.toolParser, or send "tool_choice": "required", a named tool, or "none".';
  return new TroupeError("unsupported", message, { details: { param: "tools" } });
}
