/**
 * One tiny made-up decoder as graphs of every form that exporters give it: with keys and values as optimum has them, under
 * GroupQueryAttention as onnxruntime-genai has them, in places of fixed length as MindSpore's pairs have them, or without.
 * All have the same weights, so all must give the same logits.
 */
import { float } from "../../../src/model/onnx/attribute-proto.ts";
import { type Dim, GraphBuilder, type Value } from "../../../src/model/onnx/graph-builder.ts";
import type { DataType } from "../../../src/model/onnx/tensor-proto.ts";

const LAYERS = 2;
const HEADS = 4;
const KV = 2;
const D = 8;
const HIDDEN = 16;
export const TOY = { vocabSize: 32, numLayers: LAYERS, numKvHeads: KV, headDim: D } as const;

/** How keys and values come and go. */
export type ToyForm =
  /** present = past and the new rows behind it. */
  | "concat"
  /** GroupQueryAttention: the new rows behind those that count. */
  | "gqa"
  /** present = a past of fixed length with the new rows put in; told by batch_valid_length. */
  | "fixed"
  /** present = the new rows alone; told by batch_valid_length. */
  | "rows"
  /** No past goes in, keys and values come out. */
  | "prefill"
  /** Neither. */
  | "none";

export interface ToyOptions {
  readonly form: ToyForm;
  readonly batch?: Dim;
  readonly tokens?: Dim;
  readonly past?: Dim;
  readonly floats?: "float32" | "float16";
  /** Of ids and the like. */
  readonly ints?: "int32" | "int64";
  readonly lastLogitsOnly?: boolean;
  /** Leave out attention_mask: a graph that takes its past to be exact. */
  readonly withoutMask?: boolean;
}

function weights(seed: number, length: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 31 / 3;
  });
}

const FLOAT = 1;
const INT64 = 7;
const HALF = 10;

/** An ONNX model. */
export function toyDecoder(options: ToyOptions): Uint8Array<ArrayBuffer> {
  return new Toy(options).build();
}

class Toy {
  readonly #g = new GraphBuilder("toy");
  readonly #options: ToyOptions;
  readonly #batch: Dim;
  readonly #tokens: Dim;
  readonly #past: Dim;
  #shape: Value = "";

  constructor(options: ToyOptions) {
    this.#options = options;
    this.#batch = options.batch ?? "batch";
    this.#tokens = options.tokens ?? "tokens";
    this.#past = options.past ?? "past";
  }

  build(): Uint8Array<ArrayBuffer> {
    const g = this.#g;
    const ids = this.#ints("input_ids", [this.#batch, this.#tokens]);
    this.#shape = g.node("Shape", [ids]);
    const masks = this.#masks();
    let x = g.node("Gather", [this.#weight("embedding", [TOY.vocabSize, HIDDEN]), ids]);
    x = g.node("Add", [x, g.node("Gather", [this.#weight("positions", [128, HIDDEN]), masks.positions])]);
    for (let layer = 0; layer < LAYERS; layer++) {
      const project = (name: string, width: number) =>
        g.node("MatMul", [x, this.#weight(`${name}.${layer}`, [HIDDEN, width])]);
      const [q, k, v] = [project("q", HEADS * D), project("k", KV * D), project("v", KV * D)];
      const att = this.#attend(layer, q, k, v, masks);
      x = g.node("Add", [x, g.node("MatMul", [att, this.#weight(`o.${layer}`, [HEADS * D, HIDDEN])])]);
      x = g.node("Tanh", [x]);
    }
    this.#logits(g.node("MatMul", [x, this.#weight("head", [HIDDEN, TOY.vocabSize])]));
    return g.build();
  }

  #weight(name: string, dims: readonly number[]): Value {
    const length = dims.reduce((product, dim) => product * dim, 1);
    const seed = [...name].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), 7);
    return this.#g.initializer(name, "float32", dims, weights(seed, length));
  }

  #ints(name: string, dims: readonly Dim[]): Value {
    const type = this.#options.ints ?? "int64";
    const value = this.#g.input(name, type, dims);
    return type === "int64" ? value : this.#g.node("Cast", [value], { to: INT64 });
  }

  /** Positions of the tokens [batch, tokens], and what the attention of this form must know. */
  #masks(): { readonly positions: Value; readonly mask: Value; readonly starts: Value } {
    const g = this.#g;
    const { form, withoutMask } = this.#options;
    const one = g.constant("int64", BigInt64Array.of(1n));
    const zero = g.constant("int64", BigInt64Array.of(0n));
    const scalar = (value: Value, axis: number) =>
      g.node("Squeeze", [g.node("Gather", [g.node("Shape", [value]), g.int64s([axis])])]);
    const ownPlaces = () =>
      g.node("Range", [zero, g.node("Squeeze", [g.node("Gather", [this.#shape, g.int64s([1])])]), one]);
    if (form === "fixed" || form === "rows" || form === "prefill") {
      const lengths = this.#ints("batch_valid_length", [this.#batch]);
      const active = form === "prefill" ? null : g.input("zactivate_len", "int32", [this.#past]);
      // For a prefill lengths count the prompt, else one new token.
      const starts = form === "prefill" ? g.node("Mul", [lengths, zero]) : g.node("Sub", [lengths, one]);
      const column = g.node("Unsqueeze", [starts, g.int64s([1])]);
      const positions = g.node("Add", [column, ownPlaces()]);
      const mask = active === null ? lengths : g.node("Range", [zero, scalar(active, 0), one]);
      return { positions, mask, starts };
    }
    if (form === "none") {
      const positions = g.node("Expand", [ownPlaces(), this.#shape]);
      return { positions, mask: "", starts: "" };
    }
    const positions = this.#ints("position_ids", [this.#batch, this.#tokens]);
    const mask = withoutMask === true ? "" : this.#ints("attention_mask", [this.#batch, "length"]);
    return { positions, mask, starts: "" };
  }

  #kvNames(layer: number, half: "key" | "value") {
    return { past: `past_key_values.${layer}.${half}`, present: `present.${layer}.${half}` };
  }

  #pastInput(layer: number, half: "key" | "value"): Value {
    const type: DataType = this.#options.floats ?? "float32";
    const value = this.#g.input(this.#kvNames(layer, half).past, type, [this.#batch, KV, this.#past, D]);
    return type === "float32" ? value : this.#g.node("Cast", [value], { to: FLOAT });
  }

  #presentOutput(layer: number, half: "key" | "value", value: Value, length: Dim): void {
    const type: DataType = this.#options.floats ?? "float32";
    const made =
      type === "float32" ? this.#g.node("Identity", [value]) : this.#g.node("Cast", [value], { to: HALF });
    this.#g.output(this.#kvNames(layer, half).present, made, type, [this.#batch, KV, length, D]);
  }

  #attend(
    layer: number,
    q: Value,
    k: Value,
    v: Value,
    masks: { readonly mask: Value; readonly starts: Value },
  ): Value {
    const { form } = this.#options;
    if (form === "gqa") return this.#groupQueryAttention(layer, q, k, v, masks.mask);
    const g = this.#g;
    const heads = (value: Value, count: number) =>
      g.node(
        "Transpose",
        [g.node("Reshape", [value, g.node("Concat", [this.#shape, g.int64s([count, D])], { axis: 0 })])],
        { perm: [0, 2, 1, 3] },
      );
    const [ownKeys, ownValues] = [heads(k, KV), heads(v, KV)];
    const keys = this.#cached(layer, "key", ownKeys, masks);
    const values = this.#cached(layer, "value", ownValues, masks);
    const grouped = g.node("Reshape", [heads(q, HEADS), g.int64s([0, KV, -1, D])]); // [batch, KV, G * tokens, D]
    const scores = g.node("com.microsoft.FusedMatMul", [grouped, keys], {
      transB: 1,
      alpha: float(D ** -0.5),
    });
    const perHead = g.node(
      "Concat",
      [g.int64s([0, 0, HEADS / KV, -1]), g.node("Gather", [g.node("Shape", [scores]), g.int64s([3])])],
      { axis: 0 },
    );
    const biased = g.node("Add", [g.node("Reshape", [scores, perHead]), this.#bias(masks, keys)]);
    const weighed = g.node("MatMul", [
      g.node("Reshape", [g.node("Softmax", [biased], { axis: -1 }), g.node("Shape", [scores])]),
      values,
    ]);
    const all = g.node("Reshape", [weighed, g.int64s([0, HEADS, -1, D])]);
    return g.node("Reshape", [
      g.node("Transpose", [all], { perm: [0, 2, 1, 3] }),
      g.int64s([0, 0, HEADS * D]),
    ]);
  }

  /** What this form attends to, [batch, KV, length, D]; declares past and present. */
  #cached(
    layer: number,
    half: "key" | "value",
    own: Value,
    { mask, starts }: { readonly mask: Value; readonly starts: Value },
  ): Value {
    const g = this.#g;
    const { form } = this.#options;
    if (form === "none") return own;
    if (form === "prefill") {
      this.#presentOutput(layer, half, own, this.#tokens);
      return own;
    }
    const past = this.#pastInput(layer, half);
    if (form === "concat") {
      const all = g.node("Concat", [past, own], { axis: 2 });
      this.#presentOutput(layer, half, all, "length");
      return all;
    }
    // One token a sequence: its row goes to the place that batch_valid_length says.
    const isOwn = g.node("Equal", [
      g.node("Unsqueeze", [mask, g.int64s([0, 1, 3])]),
      g.node("Unsqueeze", [starts, g.int64s([1, 2, 3])]),
    ]);
    const all = g.node("Where", [isOwn, own, past]);
    if (form === "rows") this.#presentOutput(layer, half, own, 1);
    else this.#presentOutput(layer, half, all, this.#past);
    return all;
  }

  /** 0 or a large negative number, [batch, 1, 1, tokens, length]. */
  #bias({ mask, starts }: { readonly mask: Value; readonly starts: Value }, keys: Value): Value {
    const g = this.#g;
    const { form } = this.#options;
    const one = g.constant("int64", BigInt64Array.of(1n));
    const zero = g.constant("int64", BigInt64Array.of(0n));
    let visible: Value;
    if (form === "fixed" || form === "rows") {
      visible = g.node("LessOrEqual", [
        g.node("Unsqueeze", [mask, g.int64s([0, 1, 2, 3])]),
        g.node("Unsqueeze", [starts, g.int64s([1, 2, 3, 4])]),
      ]);
    } else {
      const length = g.node("Squeeze", [g.node("Gather", [g.node("Shape", [keys]), g.int64s([2])])]);
      const tokens = g.node("Squeeze", [g.node("Gather", [this.#shape, g.int64s([1])])]);
      const places = g.node("Range", [zero, length, one]);
      const own = g.node("Unsqueeze", [
        g.node("Range", [g.node("Sub", [length, tokens]), length, one]),
        g.int64s([1]),
      ]);
      visible = g.node("LessOrEqual", [places, own]); // [tokens, length]
      if (form === "concat" && mask !== "") {
        const held = g.node("Cast", [g.node("Unsqueeze", [mask, g.int64s([1, 2, 3])])], { to: 9 });
        visible = g.node("And", [visible, held]);
      }
    }
    return g.node("Where", [visible, g.float32(0), g.float32(-1e30)]);
  }

  #groupQueryAttention(layer: number, q: Value, k: Value, v: Value, mask: Value): Value {
    const g = this.#g;
    const counted = g.node("ReduceSum", [mask, g.int64s([1])], { keepdims: 0 });
    const lengths = g.node("Cast", [g.node("Sub", [counted, g.int64s([1])])], { to: 6 });
    const total = g.node(
      "Cast",
      [g.node("Squeeze", [g.node("Gather", [g.node("Shape", [mask]), g.int64s([1])])])],
      { to: 6 },
    );
    const past = [this.#pastInput(layer, "key"), this.#pastInput(layer, "value")];
    const [att, keys, values] = g.multiNode(
      "com.microsoft.GroupQueryAttention",
      [q, k, v, past[0]!, past[1]!, lengths, total],
      ["att", "keys", "values"],
      { num_heads: HEADS, kv_num_heads: KV, do_rotary: 0 },
    );
    this.#presentOutput(layer, "key", keys!, "length");
    this.#presentOutput(layer, "value", values!, "length");
    return att!;
  }

  #logits(all: Value): void {
    const g = this.#g;
    const { floats = "float32", lastLogitsOnly } = this.#options;
    const picked =
      lastLogitsOnly === true
        ? g.node("Slice", [all, g.int64s([-1]), g.int64s([2 ** 31 - 1]), g.int64s([1])])
        : g.node("Identity", [all]);
    const typed = floats === "float32" ? picked : g.node("Cast", [picked], { to: HALF });
    const tokens = lastLogitsOnly === true ? 1 : this.#tokens;
    g.output("logits", typed, floats, [this.#batch, tokens, TOY.vocabSize]);
  }
}
