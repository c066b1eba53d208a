/**
 * Puts whole layers, attention included, into as few graphs as may be: every run wakes threads, copies outputs and hands rows on
 * through JavaScript.
 */
import type { KvDtype } from "../../kv/forms/kv-form.ts";
import { attentionKinds } from "../attention-kinds.ts";
import { projectAttention } from "../blocks/attention-input.ts";
import { declareRunInputs, type RunInputs, type RunValues, takeRun } from "../blocks/attention-runs.ts";
import { embed } from "../blocks/embedding.ts";
import { normalize } from "../blocks/norm.ts";
import { pagedAttention } from "../blocks/paged-attention.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import type { LinearForm } from "../precisions/linear-form.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import { stackFile, weightsFile } from "./compiled-file.ts";
import { Segment } from "./segment.ts";
import { finishLayer, leaveDecoder, type PartInput, residual } from "./segment-parts.ts";

/** Default of {@link StackOptions.maxWeightBytes}. */
export const MAX_STACK_BYTES = 5 * 2 ** 28;

/** How layers are put together. */
export interface StackOptions {
  readonly kvDtype: KvDtype;
  /** Weights of a graph that has more than one layer, at most: a step can be abandoned between graphs alone. */
  readonly maxWeightBytes: number;
}

/** TensorScatter came with it. */
const OPSET = 24;

/**
 * @returns at least one segment, with all weights placed and none read; for each form of keys and values the weights are
 *   the same in the same places
 * @throws TroupeError `invalid_model` when the checkpoint lacks a tensor or has one of another shape
 */
export function buildStacks(
  decoder: DecoderDescription,
  form: LinearForm,
  store: WeightStore,
  { kvDtype, maxWeightBytes }: StackOptions,
): Segment[] {
  const stacks: Stack[] = [];
  const begin = (index: number): Stack => {
    const file = `layers-${String(index).padStart(3, "0")}.onnx`;
    const name = stackFile(file, kvDtype).replace(/\.onnx$/, "");
    const segment = new Segment(name, form, store, { weightsFile: weightsFile(file), opset: OPSET });
    const stack = new Stack(segment, decoder, kvDtype);
    stacks.push(stack);
    return stack;
  };
  let stack = begin(0);
  let rows = stack.enterDecoder();
  let layerBytes = 0;
  for (const index of decoder.layers.keys()) {
    if (index > 0 && stack.weightBytes + layerBytes > maxWeightBytes) {
      stack.leave(rows);
      stack = begin(index);
      rows = stack.enter();
    }
    const before = stack.weightBytes;
    rows = stack.addLayer(index, rows);
    layerBytes = stack.weightBytes - before;
  }
  stack.leaveDecoder(rows);
  return stacks.map(({ segment }) => segment);
}

/** One graph under construction. */
class Stack {
  readonly segment: Segment;
  readonly #decoder: DecoderDescription;
  readonly #kvDtype: KvDtype;
  readonly #kindOfLayer: readonly number[];
  readonly #runs = new Map<number, { readonly runs: RunInputs; readonly firstRun: RunValues }>();
  readonly #angles = new Map<string, Value>();

  constructor(segment: Segment, decoder: DecoderDescription, kvDtype: KvDtype) {
    this.segment = segment;
    this.#decoder = decoder;
    this.#kvDtype = kvDtype;
    this.#kindOfLayer = attentionKinds(decoder.layers.map((layer) => layer.attention)).ofLayer;
  }

  get weightBytes(): number {
    return this.segment.weightBytes;
  }

  enterDecoder(): PartInput {
    const x = embed(this.segment, this.#decoder);
    return { sum: x, normed: normalize(this.segment, x, this.#decoder.layers[0]!.inputNorm) };
  }

  enter(): PartInput {
    const rows = (name: string) =>
      this.segment.graph.input(name, "float32", ["tokens", this.#decoder.hiddenSize]);
    return { sum: rows("sum"), normed: rows("normed") };
  }

  leave({ sum, normed }: PartInput): void {
    for (const [name, value] of Object.entries({ sumOut: sum, normedOut: normed }))
      this.segment.graph.output(name, value, "float32", ["tokens", this.#decoder.hiddenSize]);
  }

  leaveDecoder({ normed }: PartInput): void {
    leaveDecoder(this.segment, this.#decoder, normed);
  }

  /** @returns the hidden rows behind the layer; of the last one, of those tokens alone whose logits are wanted */
  addLayer(index: number, input: PartInput): PartInput {
    const { segment } = this;
    const { graph } = segment;
    const { layers, finalNorm, numKvHeads, headDim } = this.#decoder;
    const layer = layers[index]!;
    segment.scope = `${index}.`;
    const x = residual(segment, layer, input);
    const projected = projectAttention(segment, input.normed, layer, this.#decoder, (rope, name) =>
      this.#anglesOf(rope, name),
    );
    for (const name of ["k", "v"] as const)
      graph.output(`${name}.${index}`, projected[name], "float32", ["tokens", numKvHeads * headDim]);
    const att = pagedAttention(graph, this.#pagedLayer(index), projected);
    const next = layers[index + 1]?.inputNorm ?? finalNorm;
    const wanted = index === layers.length - 1 ? this.#pickWanted({ att, x }) : { att, x };
    const output = finishLayer(segment, layer, wanted, next);
    segment.scope = "";
    return output;
  }

  #pagedLayer(index: number): Parameters<typeof pagedAttention>[1] {
    const { graph } = this.segment;
    const kind = this.#kindOfLayer[index]!;
    let known = this.#runs.get(kind);
    if (known === undefined) {
      const runs = declareRunInputs(graph, kind, { hasScales: this.#kvDtype === "int8" });
      known = { runs, firstRun: takeRun(graph, runs, graph.constant("int64", BigInt64Array.of(0n))) };
      this.#runs.set(kind, known);
    }
    const spec = this.#decoder.layers[index]!.attention;
    return { index, heads: this.#decoder, spec, kvDtype: this.#kvDtype, ...known };
  }

  #pickWanted(rows: { readonly att: Value; readonly x: Value }): { readonly att: Value; readonly x: Value } {
    const { graph } = this.segment;
    const wanted = graph.input("wanted", "int64", ["rows"]);
    const pick = (value: Value) => graph.node("Gather", [value, wanted], { axis: 0 });
    return { att: pick(rows.att), x: pick(rows.x) };
  }

  #anglesOf(rope: number, name: "cos" | "sin"): Value {
    const input = `${name}.${rope}`;
    const known = this.#angles.get(input);
    if (known !== undefined) return known;
    const width = this.#decoder.ropes[rope]!.rotaryDim / 2;
    const value = this.segment.graph.input(input, "float32", ["tokens", width]);
    this.#angles.set(input, value);
    return value;
  }
}
