/** Which keys each query of a whole graph may see, and how far they are, from attention_mask and position_ids. */
import type { GraphBuilder, Value } from "../onnx/graph-builder.ts";

const FLOAT = 1;
const BOOL = 9;
/** Its exponential is 0 beside any score, and it stays finite where a padded query sees nothing. */
const MASKED = -1e30;

/** Inputs of the graph. */
export interface MaskInputs {
  /** int64 [batch, past + tokens] */
  readonly attentionMask: Value;
  /** int64 [batch, tokens] */
  readonly positionIds: Value;
}

/** Values that all layers share, each made when it is first asked for. */
export class AttentionMasks {
  readonly #graph: GraphBuilder;
  readonly #inputs: MaskInputs;
  readonly #biases = new Map<number | null, Value>();
  #distances: Value | null = null;
  #causal: Value | null = null;

  constructor(graph: GraphBuilder, inputs: MaskInputs) {
    this.#graph = graph;
    this.#inputs = inputs;
  }

  /** 0 where a query may look, a large negative number elsewhere. float32 [batch, 1, 1, tokens, past + tokens] */
  bias(window: number | null): Value {
    const known = this.#biases.get(window);
    if (known !== undefined) return known;
    const graph = this.#graph;
    const near = () => graph.node("Greater", [this.distances(), graph.float32(-window!)]);
    const allowed = window === null ? this.#visible() : graph.node("And", [this.#visible(), near()]);
    const bias = graph.node("Where", [allowed, graph.float32(0), graph.float32(MASKED)]);
    this.#biases.set(window, bias);
    return bias;
  }

  /** Position of the key less that of the query. float32 [batch, 1, 1, tokens, past + tokens] */
  distances(): Value {
    if (this.#distances !== null) return this.#distances;
    const graph = this.#graph;
    const { attentionMask, positionIds } = this.#inputs;
    const counted = graph.node("CumSum", [attentionMask, graph.int64s([1])]);
    const keys = graph.node("Sub", [counted, graph.int64s([1])]); // places of keys that count [batch, length]
    const row = graph.node("Unsqueeze", [keys, graph.int64s([1, 2, 3])]);
    const column = graph.node("Unsqueeze", [positionIds, graph.int64s([1, 2, 4])]);
    this.#distances = graph.node("Cast", [graph.node("Sub", [row, column])], { to: FLOAT });
    return this.#distances;
  }

  /** Places that hold something, up to the query's own. */
  #visible(): Value {
    if (this.#causal !== null) return this.#causal;
    const graph = this.#graph;
    const { attentionMask, positionIds } = this.#inputs;
    const length = (value: Value) =>
      graph.node("Squeeze", [graph.node("Gather", [graph.node("Shape", [value]), graph.int64s([1])])]);
    const numKeys = length(attentionMask);
    const past = graph.node("Sub", [numKeys, length(positionIds)]);
    const one = graph.constant("int64", BigInt64Array.of(1n));
    const zero = graph.constant("int64", BigInt64Array.of(0n));
    const places = graph.node("Range", [zero, numKeys, one]); // [length]
    const own = graph.node("Unsqueeze", [graph.node("Range", [past, numKeys, one]), graph.int64s([1])]);
    const causal = graph.node("LessOrEqual", [places, own]); // [tokens, length]
    const held = graph.node("Unsqueeze", [
      graph.node("Cast", [attentionMask], { to: BOOL }),
      graph.int64s([1, 2, 3]),
    ]);
    this.#causal = graph.node("And", [causal, held]);
    return this.#causal;
  }
}
