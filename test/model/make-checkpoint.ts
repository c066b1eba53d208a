/** Writes safetensors files and whole made-up checkpoints for tests. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TensorSource {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/** A folder that goes away with the scope. */
export function temporaryDir(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "troupe-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The bytes of a safetensors file. */
export function safetensors(tensors: Readonly<Record<string, TensorSource>>): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset += data.byteLength;
  }
  return safetensorsWithHeader(JSON.stringify(header), Buffer.concat(chunks));
}

/** A file with any header, right or wrong. */
export function safetensorsWithHeader(header: string, data: Uint8Array = new Uint8Array(0)): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}

export interface LlamaSizes {
  readonly hidden: number;
  readonly mlp: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocab: number;
}

export function llamaConfig({ hidden, mlp, layers, heads, vocab }: LlamaSizes): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    hidden_size: hidden,
    intermediate_size: mlp,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    vocab_size: vocab,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
  };
}

/** Names and shapes of a llama checkpoint. */
export function llamaShapes({ hidden, mlp, layers, vocab }: LlamaSizes): Record<string, number[]> {
  const shapes: Record<string, number[]> = {
    "model.embed_tokens.weight": [vocab, hidden],
    "model.norm.weight": [hidden],
    "lm_head.weight": [vocab, hidden],
  };
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes[`${prefix}.input_layernorm.weight`] = [hidden];
    shapes[`${prefix}.post_attention_layernorm.weight`] = [hidden];
    for (const name of ["q", "k", "v", "o"])
      shapes[`${prefix}.self_attn.${name}_proj.weight`] = [hidden, hidden];
    shapes[`${prefix}.mlp.gate_proj.weight`] = [mlp, hidden];
    shapes[`${prefix}.mlp.up_proj.weight`] = [mlp, hidden];
    shapes[`${prefix}.mlp.down_proj.weight`] = [hidden, mlp];
  }
  return shapes;
}

/** A llama with small random weights in float32, the same for the same sizes. */
export function writeRandomLlama(dir: string, sizes: LlamaSizes): void {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff - 0.5;
  };
  const tensors = Object.entries(llamaShapes(sizes)).map(([name, shape]) => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next);
    return [name, { dtype: "F32", shape, data }] as const;
  });
  writeFileSync(join(dir, "config.json"), JSON.stringify(llamaConfig(sizes)));
  writeFileSync(join(dir, "model.safetensors"), safetensors(Object.fromEntries(tensors)));
}

/** A llama in bf16 whose weights are all zero and take no room on the disk. Returns the bytes of its largest tensor. */
export async function writeHollowLlama(dir: string, sizes: LlamaSizes): Promise<number> {
  const header: Record<string, unknown> = {};
  let offset = 0;
  let largest = 0;
  for (const [name, shape] of Object.entries(llamaShapes(sizes))) {
    const numBytes = 2 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [offset, offset + numBytes] };
    offset += numBytes;
    largest = Math.max(largest, numBytes);
  }
  const head = safetensorsWithHeader(JSON.stringify(header));
  writeFileSync(join(dir, "config.json"), JSON.stringify(llamaConfig(sizes)));
  await using file = await open(join(dir, "model.safetensors"), "w");
  await file.write(head);
  await file.truncate(head.byteLength + offset);
  return largest;
}
