import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { describeModel } from "../../../src/model/architectures/registry.ts";
import { type DecoderDescription, numOutputs } from "../../../src/model/decoder-description.ts";
import { mlpLinears } from "../../../src/model/mlp-description.ts";
import { readModelFolder } from "../../../src/model/model-folder.ts";
import { shardDecoder } from "../../../src/model/tensor-parallel/shard-decoder.ts";

async function describe(name: string): Promise<DecoderDescription> {
  const dir = fileURLToPath(new URL(`../../golden/models/${name}`, import.meta.url));
  return describeModel(await readModelFolder(dir));
}

test("a rank has its heads, its columns and its part of the vocabulary", async () => {
  const decoder = await describe("llama3-gqa-scaled-rope");
  const { numHeads, numKvHeads, head, layers, vocabulary } = shardDecoder(decoder, { rank: 1, size: 2 });
  const { qkv, output, mlp } = layers[0]!;
  assert.deepEqual(
    { numHeads, numKvHeads, vocabulary },
    { numHeads: 2, numKvHeads: 1, vocabulary: { start: 256, end: 512 } },
  );
  assert.deepEqual(
    qkv.weight.map(({ firstRow, numRows }) => [firstRow, numRows]),
    [
      [32, 32],
      [16, 16],
      [16, 16],
    ],
  );
  assert.deepEqual([output.inputs, output.weight[0]!.firstRow, numOutputs(output)], [64, 32, 32]);
  const [gateUp, down] = mlpLinears(mlp);
  assert.deepEqual(
    gateUp!.weight.map(({ tensor, firstRow, numRows }) => [tensor.split(".").at(-2), firstRow, numRows]),
    [
      ["gate_proj", 80, 80],
      ["up_proj", 80, 80],
    ],
  );
  assert.deepEqual([down!.inputs, down!.weight[0]!.firstRow, numOutputs(down!)], [160, 32, 32]);
  assert.deepEqual([head.weight[0]!.firstRow, numOutputs(head)], [256, 256]);
});

test("with more ranks than KV heads, ranks share one and part its queries", async () => {
  const decoder = await describe("gpt-bigcode-mqa");
  for (const rank of [0, 3]) {
    const { numHeads, numKvHeads, layers } = shardDecoder(decoder, { rank, size: 4 });
    assert.deepEqual([numHeads, numKvHeads], [1, 1]);
    // One head of 16 rows, then the key and the value behind all queries.
    assert.deepEqual(
      layers[0]!.qkv.weight.map(({ firstRow, numRows }) => [firstRow, numRows]),
      [16 * rank, 64, 80].map((firstRow) => [firstRow, 16]),
    );
  }
});

test("a bias is cut with the outputs of its layer", async () => {
  const decoder = await describe("bloom");
  const [whole, ...parts] = [decoder, ...[0, 1].map((rank) => shardDecoder(decoder, { rank, size: 2 }))].map(
    ({ layers }) => layers[0]!.output.bias!,
  );
  const { tensor, numRows } = whole![0]!;
  const half = numRows / 2;
  assert.deepEqual(
    parts,
    [0, half].map((firstRow) => [{ tensor, tensorRows: numRows, firstRow, numRows: half }]),
  );
});

test("ALiBi slopes go with their heads", async () => {
  const decoder = await describe("bloom");
  const slopes = [0, 1].map(
    (rank) => shardDecoder(decoder, { rank, size: 2 }).layers[0]!.attention.alibiSlopes,
  );
  assert.deepEqual(slopes.flat(), decoder.layers[0]!.attention.alibiSlopes);
});

test("ranks that cannot share a model are refused by what they cannot share", async () => {
  const decoder = await describe("llama2");
  assert.throws(() => shardDecoder(decoder, { rank: 0, size: 3 }), {
    code: "invalid_config",
    message:
      "4 heads cannot be shared evenly by 3 ranks. Choose another engine.tensorParallel for this model.",
  });
});
