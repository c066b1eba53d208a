/** Exported graphs through ONNX Runtime's own API, held against what transformers answered for the models they are made from. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { exportModel } from "../../../src/model/export/export-model.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MODELS = join(ROOT, "test", "golden", "models");
/** A smaller gap between the two best logits may flip between two correct programs. */
const SAFE_MARGIN = 1e-3;

interface Golden {
  readonly prompts: number[][];
  readonly logits_last: number[][];
  readonly greedy: { readonly ids: number[]; readonly margins: number[] }[];
}

const scratch = mkdtempSync(join(tmpdir(), "troupe-export-"));
after(() => rmSync(scratch, { recursive: true }));

const options = { precision: null, maxModelLen: null };

type Past = Record<string, Tensor>;

/** Runs one graph as any program would: ids behind a past. */
async function step(
  session: InferenceSession,
  ids: readonly number[],
  past: Past,
): Promise<{ readonly logits: Float32Array; readonly past: Past }> {
  const [first] = Object.values(past);
  const start = first?.dims[2] ?? 0;
  const int64 = (values: readonly number[]) =>
    new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
  const outputs = await session.run({
    input_ids: int64(ids),
    attention_mask: int64(Array.from({ length: start + ids.length }, () => 1)),
    position_ids: int64(ids.map((_, index) => start + index)),
    ...past,
  });
  const logits = outputs.logits!;
  const vocabSize = logits.dims[2]!;
  const data = logits.data as Float32Array;
  const present = Object.entries(outputs).filter(([name]) => name.startsWith("present."));
  return {
    logits: data.slice(data.length - vocabSize),
    past: Object.fromEntries(
      present.map(([name, tensor]) => [name.replace("present", "past_key_values"), tensor]),
    ),
  };
}

function emptyPast(session: InferenceSession): Past {
  const inputs = session.inputMetadata.filter(({ name }) => name.startsWith("past_key_values."));
  return Object.fromEntries(
    inputs.map((input) => {
      assert.ok(input.isTensor);
      const [, numHeads, , headDim] = input.shape;
      const dims = [1, Number(numHeads), 0, Number(headDim)];
      return [input.name, new Tensor("float32", new Float32Array(0), dims)];
    }),
  );
}

function largest(logits: Float32Array): number {
  return logits.reduce((best, value, index) => (value > logits[best]! ? index : best), 0);
}

for (const name of readdirSync(MODELS).sort()) {
  test(`${name}: prefill.onnx and decode.onnx give the logits and greedy ids of transformers`, async () => {
    const modelDir = join(MODELS, name);
    const outputDir = join(scratch, name);
    await exportModel({ ...options, modelDir, outputDir });
    const prefill = await InferenceSession.create(join(outputDir, "prefill.onnx"));
    const decode = await InferenceSession.create(join(outputDir, "decode.onnx"));
    const golden: Golden = JSON.parse(readFileSync(join(modelDir, "expected.json"), "utf8"));
    for (const [index, prompt] of golden.prompts.entries()) {
      let result = await step(prefill, prompt, emptyPast(prefill));
      const error = Math.max(
        ...result.logits.map((logit, token) => Math.abs(logit - golden.logits_last[index]![token]!)),
      );
      assert.ok(error < 1e-3, `prompt ${index}: logits are off by ${error}`);
      const { ids, margins } = golden.greedy[index]!;
      for (const [place, id] of ids.entries()) {
        if (margins[place]! < SAFE_MARGIN) break;
        assert.equal(largest(result.logits), id, `prompt ${index}, token ${place}`);
        result = await step(decode, [id], result.past);
      }
    }
    await prefill.release();
    await decode.release();
  });
}
