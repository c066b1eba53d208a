/**
 * The inputs that exported decoders usually have, by their usual names: Hugging Face's optimum and transformers.js,
 * onnxruntime-genai, MindSpore Serving and MindSpore Lite. docs/onnx-models.md has them as a table.
 */
import type { BuiltInputs, GraphRow, GraphStep, InputTensor } from "./input-builder.ts";

/** The builder called `common`. */
export function commonInputs(step: GraphStep): BuiltInputs {
  const { rows, phase, pastLength, numTokens } = step;
  const ids = perToken(step, ({ tokenIds }, i) => tokenIds[i] ?? step.padTokenId);
  const lengths = perRow(rows, ({ contextLen, tokenIds }) => contextLen + tokenIds.length);
  const stride = phase === "prefill" ? numTokens : pastLength;
  const hasPast = rows.some(({ contextLen }) => contextLen > 0);
  return {
    input_ids: ids,
    tokens: ids,
    attention_mask: attentionMask(step),
    // Padding repeats the last position: it must not lie beyond what the model knows.
    position_ids: perToken(
      step,
      ({ contextLen, tokenIds }, i) => contextLen + Math.min(i, tokenIds.length - 1),
    ),
    token_type_ids: perToken(step, () => 0),
    use_cache_branch: { dims: [1], values: [hasPast ? 1 : 0] },
    num_logits_to_keep: { dims: [], values: [0] },
    // Places of the last tokens where all rows stand one behind the other.
    current_index: perRow(
      rows,
      ({ contextLen, tokenIds }, row) => row * stride + contextLen + tokenIds.length - 1,
    ),
    init_reset: { dims: [1], values: [phase === "decode" ? 1 : 0] },
    batch_valid_length: lengths,
    valid_length: lengths,
    batch_index: perRow(rows, (_, row) => row),
    zactivate_len: activeLength(pastLength === 0 ? numTokens : pastLength),
  };
}

/** Its length alone says something. */
function activeLength(length: number): InputTensor {
  return { dims: [length], values: new Int32Array(length) };
}

function perRow(rows: readonly GraphRow[], numberOf: (row: GraphRow, index: number) => number): InputTensor {
  return { dims: [rows.length], values: Int32Array.from(rows, numberOf) };
}

function perToken(
  { rows, numTokens }: GraphStep,
  numberOf: (row: GraphRow, token: number) => number,
): InputTensor {
  const values = new Int32Array(rows.length * numTokens);
  for (const [index, row] of rows.entries())
    for (let token = 0; token < numTokens; token++) values[index * numTokens + token] = numberOf(row, token);
  return { dims: [rows.length, numTokens], values };
}

/** 1 where a place of past or tokens holds something of the row. [rows, pastLength + numTokens] */
function attentionMask({ rows, numTokens, pastLength, pastSide }: GraphStep): InputTensor {
  const width = pastLength + numTokens;
  const values = new Int32Array(rows.length * width);
  for (const [index, { contextLen, tokenIds }] of rows.entries()) {
    const first = index * width;
    const past = pastSide === "start" ? 0 : pastLength - contextLen;
    values.fill(1, first + past, first + past + contextLen);
    values.fill(1, first + pastLength, first + pastLength + tokenIds.length);
  }
  return { dims: [rows.length, width], values };
}
