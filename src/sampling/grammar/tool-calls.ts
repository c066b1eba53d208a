/** Calls of tools as a model writes them, with arguments that their schemas accept. */
import { choice, type Expr, repeat, sequence, text } from "./grammar.ts";
import type { GrammarSpec } from "./grammar-spec.ts";
import { jsonSchemaExpr } from "./json-schema.ts";
import { anyObject, SPACE } from "./json-text.ts";
import { textWithMarked } from "./marked-text.ts";
import type { RuleSet } from "./rule-set.ts";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";

/** See docs/tools.md for the forms. */
export function toolCallsExpr(spec: GrammarSpec & { kind: "tool_calls" }, rules: RuleSet): Expr {
  const isTagged = spec.form === "hermes";
  const call = rules.once(`${spec.param} call`, () =>
    choice(
      ...spec.tools.map(({ name, parameters, param }) => {
        const written = parameters === null ? anyObject(rules) : jsonSchemaExpr(parameters, rules, param);
        const head = `{"name": ${JSON.stringify(name)}, "arguments": `;
        return sequence(text(head), written, text("}"));
      }),
    ),
  );
  if (spec.isFree)
    return textWithMarked(rules, `${spec.param} text`, OPEN, sequence(SPACE, call, SPACE, text(CLOSE)));
  const item = isTagged ? sequence(text(OPEN), call, text(CLOSE)) : call;
  const separator = isTagged ? text("\n") : text(", ");
  const list = sequence(item, repeat(sequence(separator, item), 0, spec.maxCalls - 1));
  return isTagged ? list : sequence(text("["), list, text("]"));
}
