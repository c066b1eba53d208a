/** What a request may constrain its answer with, before it is compiled. Plain data. */

/** A tool that a call may name. */
export interface ToolSpec {
  readonly name: string;
  /** JSON schema of the arguments; null takes any object. */
  readonly parameters: unknown;
  /** Its calls must validate also where the model is free to call or not. */
  readonly isStrict: boolean;
  /** The request's field of the schema, for errors. */
  readonly param: string;
}

/** How a constrained call is written: `hermes` with tags around it, `json` bare. */
export type ToolCallForm = "hermes" | "json";

/** `param` is the request's field, for errors. */
export type GrammarSpec = { readonly param: string } & (
  | { readonly kind: "json_object" }
  | { readonly kind: "json_schema"; readonly schema: unknown }
  | { readonly kind: "regex"; readonly pattern: string }
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  | { readonly kind: "ebnf"; readonly source: string }
  /** Calls of these tools and nothing else: one, or up to `maxCalls`. With `isFree` any text, whose calls are of the `hermes` form. */
  | {
      readonly kind: "tool_calls";
      readonly tools: readonly ToolSpec[];
      readonly form: ToolCallForm;
      readonly maxCalls: number;
      readonly isFree: boolean;
    }
  /** A match of any of these. */
  | { readonly kind: "any_of"; readonly specs: readonly GrammarSpec[] }
);
