/** The one door to Grammar: whatever a request constrains its answer with is compiled and checked here. */
import { checkRules } from "./check-rules.ts";
import { utf8Of } from "./code-points.ts";
import { ebnfExpr } from "./ebnf.ts";
import { choice, type Expr, type Grammar, text } from "./grammar.ts";
import type { GrammarSpec } from "./grammar-spec.ts";
import { jsonSchemaExpr } from "./json-schema.ts";
import { anyObject } from "./json-text.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import { regexExpr } from "./regex.ts";
import { RuleSet } from "./rule-set.ts";
import { toolCallsExpr } from "./tool-calls.ts";

/** A schema or a list longer than this as JSON is refused unread. */
const MAX_SPEC_CHARS = 262_144;

/**
 * @throws TroupeError `invalid_request`; details.param is the path of what is wrong, below `spec.param`
 * @example
 * ```ts
 * const grammar = compileGrammar({ kind: "json_schema", param: "guided_json", schema: { type: "integer", minimum: 3 } });
 * const params = createSamplingParams({ grammar });
 * ```
 */
export function compileGrammar(spec: GrammarSpec): Grammar {
  const key = JSON.stringify({ ...spec, param: undefined });
  if (key.length > MAX_SPEC_CHARS)
    refuseGrammar(spec.param, `it has ${key.length} characters as JSON; the limit is ${MAX_SPEC_CHARS}.`);
  const rules = new RuleSet();
  rules.once(" answer", () => exprOf(spec, rules));
  return { key, rules: checkRules(rules, spec.param) };
}

function exprOf(spec: GrammarSpec, rules: RuleSet): Expr {
  const { param } = spec;
  switch (spec.kind) {
    case "json_object":
      return anyObject(rules);
    case "json_schema":
      return jsonSchemaExpr(spec.schema, rules, param);
    case "regex":
      return regexExpr(spec.pattern, { param, encode: utf8Of, mode: "whole" });
    case "choice":
      return choice(...spec.choices.map((option) => text(option)));
    case "ebnf":
      return ebnfExpr(spec.source, rules, param);
    case "tool_calls":
      return toolCallsExpr(spec, rules);
    case "any_of":
      return choice(...spec.specs.map((inner) => exprOf(inner, rules)));
  }
}
