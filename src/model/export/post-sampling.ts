/**
 * The graphs that stand behind a model's logits:
 *
 *     argmax : logits [batch, tokens, vocabSize] -> token_ids int64 [batch, tokens]     of equals the lowest id
 *     topk   : logits, temperature [1] -> values, token_ids [batch, tokens, k]          logits / temperature, best first
 */
import { GraphBuilder } from "../onnx/graph-builder.ts";

/** Candidates that topk gives, as MindSpore Serving's graph does. */
export const NUM_CANDIDATES = 100;

/** @returns an ONNX model */
export function argmaxGraph(vocabSize: number): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder("argmax");
  const logits = graph.input("logits", "float32", ["batch", "tokens", vocabSize]);
  graph.output("token_ids", graph.node("ArgMax", [logits], { axis: -1, keepdims: 0 }), "int64", [
    "batch",
    "tokens",
  ]);
  return graph.build();
}

/** @returns an ONNX model */
export function topkGraph(vocabSize: number): Uint8Array<ArrayBuffer> {
  const k = Math.min(NUM_CANDIDATES, vocabSize);
  const graph = new GraphBuilder("topk");
  const logits = graph.input("logits", "float32", ["batch", "tokens", vocabSize]);
  const temperature = graph.input("temperature", "float32", [1]);
  const [values, ids] = graph.multiNode(
    "TopK",
    [graph.node("Div", [logits, temperature]), graph.int64s([k])],
    ["best", "ids"],
    { axis: -1, largest: 1, sorted: 1 },
  );
  graph.output("values", values!, "float32", ["batch", "tokens", k]);
  graph.output("token_ids", ids!, "int64", ["batch", "tokens", k]);
  return graph.build();
}
