/** Flags as other systems' programs spell them: underscores, and booleans as words behind the flag. */
import { parse, type ZodType } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { looseBoolean } from "../../protocol/loose-fields.ts";
import type { FlagSpec } from "../command-spec.ts";
import type { FlagValues } from "../flag-values.ts";

/** Heading of these commands in the list of all. */
export const OTHER_SYSTEMS = "Commands of other systems:";

const NO_EFFECT = "accepted; has no effect here";

/** A flag with a value: `--top_k <n>`. */
export function oldFlag(name: string, kind: "text" | "number", value: string, description: string): FlagSpec {
  return { flags: `--${name} <${value}>`, kind, description };
}

/** `--do_sample True`. */
export function oldBoolean(name: string, description: string): FlagSpec {
  return { flags: `--${name} <True|False>`, kind: "text", description };
}

/** Flags that name something this machine does not have, or that files say already. */
export function withoutEffect(...names: readonly string[]): FlagSpec[] {
  return names.map((name) => ({ flags: `--${name} <value>`, kind: "text", description: NO_EFFECT }));
}

/** Those of {@link withoutEffect} that were given. */
export function givenWithoutEffect(flags: FlagValues, specs: readonly FlagSpec[]): string[] {
  return specs
    .filter(({ description }) => description === NO_EFFECT)
    .map((spec) => spec.flags.split(" ", 1)[0]!)
    .filter((name) => flags.has(name));
}

/** @throws TroupeError `invalid_request` for a word that is no boolean */
export function booleanOf(flags: FlagValues, flag: string, byDefault: boolean): boolean {
  const text = flags.text(flag);
  return text === undefined
    ? byDefault
    : parse(looseBoolean as ZodType<boolean>, text, { code: "invalid_request", what: flag });
}

/** @throws TroupeError `invalid_request` when none of the spellings was given */
export function oneOf(flags: FlagValues, command: string, ...spellings: readonly string[]): string {
  const value = spellings.map((flag) => flags.text(flag)).find((text) => text !== undefined);
  if (value !== undefined) return value;
  throw new TroupeError(
    "invalid_request",
    `${command} needs ${spellings[0]}; troupe ${command} --help explains`,
  );
}
