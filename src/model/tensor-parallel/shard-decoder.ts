/**
 * A decoder's description cut down to what one rank computes, as Megatron-LM cuts (Shoeybi et al. 2019): linear-cuts.ts
 * says what is cut by outputs and what by inputs, whose results are partial sums. Norms, router and embedding stay whole.
 */
import { invariant, TroupeError } from "../../errors/troupe-error.ts";
import type { AttentionSpec } from "../compiled-model.ts";
import {
  type DecoderDescription,
  type LayerDescription,
  type LinearDescription,
  numOutputs,
  type RowRange,
} from "../decoder-description.ts";
import type { GatedMlpDescription, MlpDescription } from "../mlp-description.ts";
import { type LinearCut, linearCuts } from "./linear-cuts.ts";
import { type CutPart, cutProblem, partShare, type RankPlace, type Span } from "./tensor-cut.ts";

/** What one rank computes. numHeads and numKvHeads are the rank's; vocabSize is the model's. */
export interface RankDecoder extends DecoderDescription {
  readonly place: RankPlace;
  /** The tokens whose logits the rank computes. */
  readonly vocabulary: Span;
}

/** A linear layer as the rank has it. */
type CutLinear = (linear: LinearDescription) => LinearDescription;

/**
 * @throws TroupeError `invalid_config` when the model's heads or channels cannot be shared by so many ranks
 * @example
 * ```ts
 * const half = shardDecoder(describeModel(folder), { rank: 0, size: 2 });
 * half.numHeads; // half of the model's
 * ```
 */
export function shardDecoder(decoder: DecoderDescription, place: RankPlace): RankDecoder {
  const cuts = new Map(linearCuts(decoder).map((cut) => [cut.linear, cut]));
  const cutLinear: CutLinear = (linear) => {
    const cut = cuts.get(linear);
    invariant(cut !== undefined, `linear-cuts.ts knows ${linear.name}`);
    return shardLinear(cut, place);
  };
  const { numHeads, numKvHeads, vocabSize } = decoder;
  const heads = shareOfUnits({ name: "query", unit: "head", numUnits: numHeads, unitSize: 1 }, place);
  const kvHeads = shareOfUnits({ name: "key", unit: "KV head", numUnits: numKvHeads, unitSize: 1 }, place);
  return {
    ...decoder,
    place,
    vocabulary: shareOfUnits({ name: "head", unit: "token", numUnits: vocabSize, unitSize: 1 }, place),
    numHeads: heads.end - heads.start,
    numKvHeads: kvHeads.end - kvHeads.start,
    layers: decoder.layers.map((layer) => shardLayer(layer, heads, cutLinear)),
    head: cutLinear(decoder.head),
  };
}

function shardLayer(layer: LayerDescription, heads: Span, cutLinear: CutLinear): LayerDescription {
  return {
    ...layer,
    attention: shardAttention(layer.attention, heads),
    qkv: cutLinear(layer.qkv),
    output: cutLinear(layer.output),
    mlp: shardMlp(layer.mlp, cutLinear),
  };
}

function shardAttention(spec: AttentionSpec, { start, end }: Span): AttentionSpec {
  return { ...spec, alibiSlopes: spec.alibiSlopes?.slice(start, end) ?? null };
}

function shardMlp(mlp: MlpDescription, cutLinear: CutLinear): MlpDescription {
  const gated = (part: GatedMlpDescription): GatedMlpDescription => ({
    ...part,
    gateUp: cutLinear(part.gateUp),
    down: cutLinear(part.down),
  });
  switch (mlp.kind) {
    case "gated":
      return gated(mlp);
    case "plain":
      return { ...mlp, up: cutLinear(mlp.up), down: cutLinear(mlp.down) };
    case "mixture":
      return {
        ...mlp,
        router: cutLinear(mlp.router),
        experts: mlp.experts.map(gated),
        shared: mlp.shared && { mlp: gated(mlp.shared.mlp), gate: cutLinear(mlp.shared.gate) },
      };
  }
}

/** Every product is cut by its outputs, those too whose shards are cut by inputs: so a rank adds up whole rows. */
function shardLinear({ linear, outputs, inputs }: LinearCut, place: RankPlace): LinearDescription {
  if (outputs === null && inputs === null) return linear;
  return pickOutputs(linear, outputs ?? [channelsOf(linear)], place);
}

function channelsOf(linear: LinearDescription): CutPart {
  return { name: "hidden", unit: "channel", numUnits: numOutputs(linear), unitSize: 1 };
}

/** Some outputs of a linear layer, which is some rows of weight and bias. */
function pickOutputs(
  linear: LinearDescription,
  parts: readonly CutPart[],
  place: RankPlace,
): LinearDescription {
  let offset = 0;
  const spans = parts.map((part) => {
    const rows = rowsOf(part, place, offset);
    offset += part.numUnits * part.unitSize;
    return rows;
  });
  const pick = (ranges: readonly RowRange[]) => spans.flatMap((span) => pickRows(ranges, span));
  return { ...linear, weight: pick(linear.weight), bias: linear.bias && pick(linear.bias) };
}

function rowsOf(part: CutPart, place: RankPlace, offset: number): Span {
  const { start, end } = shareOfUnits(part, place);
  return { start: offset + start * part.unitSize, end: offset + end * part.unitSize };
}

function shareOfUnits(part: CutPart, place: RankPlace): Span {
  const problem = cutProblem({ parts: [part], numGroups: 1 }, place.size);
  const share = problem === null ? partShare(part, place) : null;
  if (share !== null && share.start < share.end) return share;
  const text = problem ?? `${part.numUnits} ${part.unit}s are too few for ${place.size} ranks`;
  throw new TroupeError("invalid_config", `${text}. Choose another engine.tensorParallel for this model.`, {
    details: { ranks: place.size, units: part.numUnits, unit: part.unit },
  });
}

/** The rows of a span of stacked ranges; those that follow on each other in one tensor are read as one. */
function pickRows(ranges: readonly RowRange[], span: Span): RowRange[] {
  const picked: RowRange[] = [];
  let offset = 0;
  for (const range of ranges) {
    const from = Math.max(span.start, offset);
    const to = Math.min(span.end, offset + range.numRows);
    if (from < to)
      addRange(picked, { ...range, firstRow: range.firstRow + from - offset, numRows: to - from });
    offset += range.numRows;
  }
  return picked;
}

function addRange(ranges: RowRange[], next: RowRange): void {
  const last = ranges.at(-1);
  if (last?.tensor !== next.tensor || last.firstRow + last.numRows !== next.firstRow) ranges.push(next);
  else ranges[ranges.length - 1] = { ...last, numRows: last.numRows + next.numRows };
}
