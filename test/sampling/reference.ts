/** The sampler as one would write it without a thought for speed: sort everything, one step after the other. */
import fc from "fast-check";
import { uniformAt } from "../../src/sampling/counter-random.ts";
import { createSamplingParams, type SamplingFields } from "../../src/sampling/create-sampling-params.ts";
import type { PositionLogprobs } from "../../src/sampling/sampling-params.ts";
import type { SamplerSequence } from "../../src/scheduling/step-plan.ts";

/** A token that is still in the running. */
export interface Entry {
  readonly id: number;
  readonly logit: number;
}

/** All tokens of a row that have any probability. */
export function entriesOf(row: ArrayLike<number>): Entry[] {
  return Array.from(row, (logit, id) => ({ id, logit })).filter(
    ({ logit }) => logit > Number.NEGATIVE_INFINITY,
  );
}

/** Best first; of equals the lower id. */
export function sortedEntries(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => b.logit - a.logit || a.id - b.id);
}

function weightsOf(entries: readonly Entry[], temperature: number): number[] {
  const largest = Math.max(...entries.map(({ logit }) => logit));
  return entries.map(({ logit }) => Math.exp((logit - largest) / temperature));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** [3, 1, 2] to [3, 4, 6]. */
export function cumulative(values: readonly number[]): number[] {
  let total = 0;
  return values.map((value) => {
    total += value;
    return total;
  });
}

function headReaching(sorted: readonly Entry[], share: number, temperature: number): Entry[] {
  const weights = weightsOf(sorted, temperature);
  const target = share * sum(weights);
  const last = cumulative(weights).findIndex((mass) => mass >= target);
  return last < 0 ? [...sorted] : sorted.slice(0, last + 1);
}

export function referenceMinP(entries: readonly Entry[], minP: number, temperature: number): Entry[] {
  const weights = weightsOf(entries, temperature);
  return entries.filter((_, index) => minP === 0 || weights[index]! >= minP);
}

export function referenceTopK(entries: readonly Entry[], k: number): Entry[] {
  return k === 0 ? [...entries] : sortedEntries(entries).slice(0, k);
}

export function referenceTopP(entries: readonly Entry[], topP: number, temperature: number): Entry[] {
  return topP === 1 ? [...entries] : headReaching(sortedEntries(entries), topP, temperature);
}

export function referenceTypicalP(entries: readonly Entry[], typicalP: number, temperature: number): Entry[] {
  if (typicalP === 1) return [...entries];
  const weights = weightsOf(entries, temperature);
  const total = sum(weights);
  const logprobs = weights.map((weight) => Math.log(weight / total));
  const entropy = -sum(logprobs.map((logprob) => logprob * Math.exp(logprob)));
  const distances = new Map(entries.map(({ id }, index) => [id, Math.abs(-logprobs[index]! - entropy)]));
  const sorted = [...entries].sort((a, b) => distances.get(a.id)! - distances.get(b.id)! || a.id - b.id);
  return headReaching(sorted, typicalP, temperature);
}

/** The token a sequence with these parameters draws from the row. */
export function referenceToken(row: Float32Array, sequence: SamplerSequence): number {
  const { params } = sequence;
  const edited = Float32Array.from(row);
  if (sequence.outputIds.length < params.minTokens) {
    for (const id of sequence.endTokenIds) edited[id] = Number.NEGATIVE_INFINITY;
  }
  for (const [id, bias] of params.logitBias) edited[id] = edited[id]! + bias;
  for (let id = 0; id < edited.length; id++) {
    const count = sequence.outputIds.filter((output) => output === id).length;
    if (count === 0 && !sequence.promptIds.includes(id)) continue;
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = params;
    const logit = edited[id]!;
    const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    edited[id] = repeated - frequencyPenalty * count - (count > 0 ? presencePenalty : 0);
  }
  if (params.temperature === 0) return sortedEntries(entriesOf(edited))[0]!.id;
  let entries = referenceMinP(entriesOf(edited), params.minP, params.temperature);
  entries = referenceTopK(entries, params.topK);
  entries = referenceTopP(entries, params.topP, params.temperature);
  entries = referenceTypicalP(entries, params.typicalP, params.temperature);
  entries.sort((a, b) => a.id - b.id);
  const weights = weightsOf(entries, params.temperature);
  const target = uniformAt(sequence.seed, sequence.outputIds.length) * sum(weights);
  return entries[cumulative(weights).findIndex((mass) => mass > target)]!.id;
}

/** Log-softmax, rank and alternatives, all in float64. */
export function referenceLogprobs(row: Float32Array, tokenId: number, numTop: number): PositionLogprobs {
  const logTotal = Math.log(sum(Array.from(row, (logit) => Math.exp(logit))));
  const ranked = Array.from(row, (logit, id) => ({ id, logit }))
    .sort((a, b) => b.logit - a.logit || a.id - b.id)
    .map(({ id, logit }, index) => ({ tokenId: id, logprob: logit - logTotal, rank: index + 1 }));
  const own = ranked.find((entry) => entry.tokenId === tokenId)!;
  return { ...own, top: ranked.slice(0, numTop).filter(({ logprob }) => logprob > Number.NEGATIVE_INFINITY) };
}

/** A sequence with defaults for whatever a test does not care about. */
export function sequenceOf(fields: SamplingFields, rest: Partial<SamplerSequence> = {}): SamplerSequence {
  return {
    sequence: 1,
    params: createSamplingParams(fields),
    seed: 7,
    promptIds: new Int32Array(0),
    outputIds: new Int32Array(0),
    endTokenIds: new Int32Array(0),
    ...rest,
  };
}

/** A logit in steps of 1/1024: two of them differ by so much that no rounding can confuse their order. */
export function arbitraryLogit(): fc.Arbitrary<number> {
  return fc.integer({ min: -20 * 1024, max: 20 * 1024 }).map((steps) => steps / 1024);
}

/** Logits in quarters, so that equal ones are common, some of them -Infinity; never all. */
export function arbitraryRow(maxLength = 60): fc.Arbitrary<Float32Array> {
  const logit = fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: -32, max: 32 }).map((quarters) => quarters / 4) },
    { weight: 6, arbitrary: arbitraryLogit() },
    { weight: 1, arbitrary: fc.constant(Number.NEGATIVE_INFINITY) },
  );
  return fc
    .array(logit, { minLength: 1, maxLength })
    .filter((logits) => logits.some((value) => value > Number.NEGATIVE_INFINITY))
    .map((logits) => Float32Array.from(logits));
}

/** A probability that is no special value, so that no sum meets it exactly. */
export function arbitraryShare(): fc.Arbitrary<number> {
  return fc.double({ min: 0.001, max: 0.999, noNaN: true });
}

/** Pseudo-random logits from a normal distribution, the same for the same seed. */
export function normalRow(length: number, seed: number, spread = 3): Float32Array {
  return Float32Array.from({ length }, (_, id) => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(seed, 2 * id)));
    return spread * radius * Math.cos(2 * Math.PI * uniformAt(seed, 2 * id + 1));
  });
}
