/**
 * How each linear layer of a decoder is cut among ranks. Layers that make heads, channels or logits are cut by their
 * outputs, the layers behind them by their inputs, whose partial sums the ranks add up; so a rank holds whole heads.
 */
import type { DecoderDescription, DecoderDims, LinearDescription } from "../decoder-description.ts";
import type { GatedMlpDescription, MlpDescription } from "../mlp-description.ts";
import type { CutPart, CutUnit } from "./tensor-cut.ts";

/** One linear layer and its cut. */
export interface LinearCut {
  readonly linear: LinearDescription;
  /** The parts its outputs consist of, in order; null when outputs are not cut. A bias is cut with them. */
  readonly outputs: readonly CutPart[] | null;
  /** Its inputs as one part; null when inputs are not cut. Never both. A bias then counts once, not on every rank. */
  readonly inputs: CutPart | null;
  /** Kept in float32 in every precision: a small error here chooses another expert. */
  readonly isFloat: boolean;
}

/** Every linear layer of a decoder, in order. */
export function linearCuts(decoder: DecoderDescription): LinearCut[] {
  const { numHeads, headDim, vocabSize, head } = decoder;
  return [
    ...decoder.layers.flatMap(({ qkv, output, mlp }) => [
      byOutputs(qkv, qkvParts(decoder)),
      byInputs(output, part("query", "head", numHeads, headDim)),
      ...mlpCuts(mlp),
    ]),
    byOutputs(head, [part("vocabulary", "token", vocabSize)]),
  ];
}

function qkvParts({ numHeads, numKvHeads, headDim }: DecoderDims): CutPart[] {
  return [
    part("query", "head", numHeads, headDim),
    part("key", "KV head", numKvHeads, headDim),
    part("value", "KV head", numKvHeads, headDim),
  ];
}

function mlpCuts(mlp: MlpDescription): LinearCut[] {
  switch (mlp.kind) {
    case "gated":
      return gatedCuts(mlp);
    case "plain": {
      const up = part("up", "channel", mlp.down.inputs);
      return [byOutputs(mlp.up, [up]), byInputs(mlp.down, up)];
    }
    case "mixture": {
      const shared = mlp.shared === null ? [] : [uncut(mlp.shared.gate), ...gatedCuts(mlp.shared.mlp)];
      return [uncut(mlp.router), ...mlp.experts.flatMap(gatedCuts), ...shared];
    }
  }
}

function gatedCuts({ gateUp, down }: GatedMlpDescription): LinearCut[] {
  const gate = part("gate", "channel", down.inputs);
  const up = part("up", "channel", down.inputs);
  return [byOutputs(gateUp, [gate, up]), byInputs(down, up)];
}

function part(name: string, unit: CutUnit, numUnits: number, unitSize = 1): CutPart {
  return { name, unit, numUnits, unitSize };
}

function byOutputs(linear: LinearDescription, outputs: readonly CutPart[]): LinearCut {
  return { linear, outputs, inputs: null, isFloat: false };
}

function byInputs(linear: LinearDescription, inputs: CutPart): LinearCut {
  return { linear, outputs: null, inputs, isFloat: false };
}

function uncut(linear: LinearDescription): LinearCut {
  return { linear, outputs: null, inputs: null, isFloat: true };
}
