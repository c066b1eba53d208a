/** A command as data: its flags, its help and what it does. command-line.ts turns these into a parser. */
import type { CliContext } from "./cli-context.ts";
import type { FlagValues } from "./flag-values.ts";

/** One flag. */
export interface FlagSpec {
  /** As help shows it: `-m, --model <folder>`, `--stop <text>`, `--json`. */
  readonly flags: string;
  readonly description: string;
  /** How its value is read; a list collects repetitions; a switch has no value. */
  readonly kind: "text" | "number" | "list" | "switch";
  /** Only these values. */
  readonly choices?: readonly string[];
  /** Heading in help; flags without one come first. */
  readonly group?: string;
}

/** One command. */
export interface CommandSpec {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Heading in the list of commands; those without one come first. */
  readonly group?: string;
  /** Below the usage line in the command's own help. */
  readonly description: string;
  /** Positional arguments: `[prompts...]` and what they are. */
  readonly positional?: { readonly name: string; readonly description: string };
  readonly flags: readonly FlagSpec[];
  /** Command lines with what they do, shown at the end of help. */
  readonly examples: readonly { readonly line: string; readonly does: string }[];
  /** @returns the exit code. Throws a TroupeError for everything that a person should read. */
  run(context: CliContext, flags: FlagValues, positional: readonly string[]): Promise<number>;
}
