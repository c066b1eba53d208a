/** Flags that say how tokens are chosen, as a table, and the SamplingParams they give over the model's own defaults. */
import type { ModelInfo } from "../protocol/engine.ts";
import { createSamplingParams } from "../sampling/create-sampling-params.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import type { FlagSpec } from "./command-spec.ts";
import { longName } from "./config-flags.ts";
import type { FlagValues } from "./flag-values.ts";

interface SamplingFlag extends FlagSpec {
  readonly field: keyof SamplingParams;
}

const flag = (
  field: keyof SamplingParams,
  kind: FlagSpec["kind"],
  flags: string,
  description: string,
): SamplingFlag => ({ field, kind, flags, description, group: "Sampling:" });

const FLAGS: readonly SamplingFlag[] = [
  flag("maxTokens", "number", "--max-tokens <n>", "longest answer, in tokens"),
  flag("temperature", "number", "--temperature <x>", "0 takes the likeliest token, up to 2 varies more"),
  flag(
    "topP",
    "number",
    "--top-p <x>",
    "draw from the likeliest tokens that make up this share, above 0 up to 1",
  ),
  flag("topK", "number", "--top-k <n>", "draw from this many likeliest tokens; 0 is off"),
  flag(
    "minP",
    "number",
    "--min-p <x>",
    "leave out tokens less than this times as likely as the likeliest, 0 to 1",
  ),
  flag("typicalP", "number", "--typical-p <x>", "locally typical sampling, above 0 up to 1"),
  flag(
    "repetitionPenalty",
    "number",
    "--repetition-penalty <x>",
    "above 1 avoids tokens seen before, up to 2",
  ),
  flag(
    "presencePenalty",
    "number",
    "--presence-penalty <x>",
    "above 0 avoids tokens of the answer so far, -2 to 2",
  ),
  flag("frequencyPenalty", "number", "--frequency-penalty <x>", "the same, per occurrence, -2 to 2"),
  flag("seed", "number", "--seed <n>", "the same seed gives the same answer"),
  flag("stop", "list", "--stop <text>", "end the answer before this text; may be repeated"),
  flag("stopTokenIds", "list", "--stop-token-id <id>", "end the answer after this token; may be repeated"),
  flag("minTokens", "number", "--min-tokens <n>", "shortest answer, in tokens"),
  flag("ignoreEos", "switch", "--ignore-eos", "go on past the model's end token"),
];

/** To be listed by every command that generates. */
export const samplingFlags: readonly FlagSpec[] = FLAGS;

/**
 * Flags over the model's generation_config.json over the command's own default length.
 *
 * @throws TroupeError `invalid_request` naming the flag, its value and its range.
 */
export function samplingFromFlags(
  flags: FlagValues,
  info: ModelInfo,
  defaultMaxTokens: number | null,
): SamplingParams {
  const given: Record<string, unknown> = {};
  for (const spec of FLAGS) {
    const name = longName(spec);
    if (!flags.has(name)) continue;
    if (spec.kind === "switch") given[spec.field] = true;
    else if (spec.field === "stopTokenIds") given[spec.field] = flags.list(name)?.map(Number);
    else given[spec.field] = flags.number(name) ?? flags.list(name);
  }
  return createSamplingParams(given, {
    defaults: { maxTokens: defaultMaxTokens, ...info.defaultParams },
    vocabSize: info.vocabSize,
    nameField: flagOf,
  });
}

function flagOf(field: string): string {
  const spec = FLAGS.find((flag) => flag.field === field);
  return spec === undefined ? field : longName(spec);
}
