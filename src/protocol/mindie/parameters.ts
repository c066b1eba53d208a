/**
 * Parameters as MindIE's own routes take them, with its ranges, and their mapping onto sampling fields. What it accepted
 * and left aside acts here, or is refused by name.
 */
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { SamplingParams } from "../../sampling/sampling-params.ts";
import type { NumberRange } from "../../sampling/sampling-ranges.ts";
import { type SamplingFields, withoutAbsent } from "../openai/sampling-fields.ts";

const MAX_INT32 = 2 ** 31 - 1;
const MAX_FLOAT = 3.4028234663852886e38;
/** Tokens of an answer when a request says nothing; not for vLLM's dialect. */
export const DEFAULT_NEW_TOKENS = 20;
/** Stop texts in a request, their length, and the length of all of them. */
const STOPS = { most: 1024, length: 1024, total: 32_768 };

/** Where MindIE allows more than the sampler's general ranges. */
export const MINDIE_RANGES: Partial<Record<keyof SamplingParams, NumberRange>> = {
  temperature: { min: 0, max: MAX_FLOAT },
  repetitionPenalty: { min: 0, max: MAX_FLOAT, isMinExcluded: true },
};
/** The same for the list of stop texts. */
export const MAX_STOPS = STOPS.most;

const above = (min: number, max: number) =>
  z.number().gt(min, `must be above ${min}`).max(max, `must be at most ${max}`);
const count = z.int().min(1, "must be at least 1").max(MAX_INT32, `must be at most ${MAX_INT32}`);
/** An unsigned number of 64 bits, as precise as JSON has it. */
const seed = z
  .number()
  .refine((value) => Number.isInteger(value) && value >= 0 && value <= 2 ** 64, "must be 0 to 2^64 - 1");
const stop = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === "string" ? [value] : value))
  .refine((texts) => texts.length <= STOPS.most, `must be at most ${STOPS.most} texts`)
  .refine(
    (texts) => texts.every(({ length }) => length >= 1 && length <= STOPS.length),
    `must be texts of 1 to ${STOPS.length} characters`,
  )
  .refine(
    (texts) => texts.reduce((sum, { length }) => sum + length, 0) <= STOPS.total,
    `must have at most ${STOPS.total} characters in all`,
  );

/** What all dialects have; null means absent. */
export const sharedShape = {
  temperature: above(0, MAX_FLOAT).nullish(),
  top_k: count.nullish(),
  // its own upper bound leaves out 1.0, its default
  top_p: above(0, 1).nullish(),
  seed: seed.nullish(),
  repetition_penalty: above(0, MAX_FLOAT).nullish(),
} as const;

/** The parameters of TGI's, the native and Triton's routes. */
export const generationShape = {
  ...sharedShape,
  do_sample: z.boolean().nullish(),
  max_new_tokens: count.nullish(),
  typical_p: above(0, 1).nullish(),
  watermark: z.boolean().nullish(),
  details: z.boolean().nullish(),
} as const;

/** What only the native and Triton's routes have. */
export const schedulingShape = {
  priority: z.int().min(1).max(5).nullish(),
  /** Seconds. */
  timeout: z.int().min(1).max(65_535).nullish(),
} as const;

/** Stop texts, one or a list. */
export const stopShape = { stop: stop.nullish() } as const;

const generationObject = z.object({ ...generationShape, ...stopShape });
type WireGeneration = z.infer<typeof generationObject>;

/** Fields that say whether tokens are drawn or the most likely one is taken. */
type DrawFields = Pick<WireGeneration, "do_sample" | "temperature" | "top_k" | "top_p">;

/**
 * MindIE's rule: `do_sample` decides; without it, a request that names a temperature, top_k or top_p is drawn. A
 * temperature of 0 never is.
 */
export function isDrawn({ do_sample, temperature, top_k, top_p }: DrawFields): boolean {
  return (do_sample ?? (temperature ?? top_k ?? top_p) != null) && temperature !== 0;
}

/** @throws TroupeError `unsupported` for a watermark */
export function readGeneration(wire: WireGeneration): SamplingFields {
  refuseWatermark(wire.watermark);
  const { repetition_penalty: repetitionPenalty } = wire;
  return {
    ...readDraw(wire),
    ...withoutAbsent({ repetitionPenalty, seed: foldSeed(wire.seed), stop: wire.stop }),
    maxTokens: wire.max_new_tokens ?? DEFAULT_NEW_TOKENS,
  };
}

/** Temperature and filters, or the most likely token. */
export function readDraw(wire: DrawFields & Pick<WireGeneration, "typical_p">): SamplingFields {
  if (!isDrawn(wire)) return { temperature: 0 };
  const { temperature, top_k, top_p, typical_p } = wire;
  return {
    temperature: temperature ?? 1,
    ...withoutAbsent({ topK: top_k === -1 ? 0 : top_k, topP: top_p, typicalP: typical_p }),
  };
}

/** The sampler's seeds have 53 bits. */
export function foldSeed(value: number | null | undefined): number | null {
  if (value == null) return null;
  return Number.isSafeInteger(value) ? value : Number(BigInt(value) % BigInt(Number.MAX_SAFE_INTEGER));
}

function refuseWatermark(watermark: boolean | null | undefined): void {
  if (watermark !== true) return;
  const message = '"watermark": answers are never marked here; leave it out or send false.';
  throw new TroupeError("unsupported", message, { details: { param: "watermark" } });
}
