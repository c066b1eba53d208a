/**
 * Writes a Llama of any shape with random weights as a GGUF file (version 3), the format of llama.cpp: all matrices in one
 * block type, a made-up vocabulary. The format: ggml/include/gguf.h and the block types of ggml-common.h.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { elementsOf, type LlamaShape, llamaTensors } from "../random-checkpoint.ts";

/** How matrices are stored. */
export type GgufPrecision = "Q4_0" | "Q8_0";

interface BlockType {
  /** Of enum ggml_type. */
  readonly typeId: number;
  /** Of enum llama_ftype. */
  readonly fileType: number;
  /** Bytes of quants behind the scale (f16) of a block of 32. */
  readonly quantBytes: number;
  /** The largest magnitude that a quant stands for. */
  readonly maxQuant: number;
}

const BLOCK_TYPES: Readonly<Record<GgufPrecision, BlockType>> = {
  Q4_0: { typeId: 2, fileType: 2, quantBytes: 16, maxQuant: 8 },
  Q8_0: { typeId: 8, fileType: 7, quantBytes: 32, maxQuant: 127 },
};
const F32 = 0;
const BLOCK = 32;
const ALIGNMENT = 32;
const SLAB_BLOCKS = 2 ** 15;
const RANDOM_BYTES = 2 ** 20;
const NUM_SPECIAL = 3;
const NUM_BYTES = 256;

/** Names of a checkpoint's tensors, and what llama.cpp calls them. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens/, "token_embd"],
  [/^model\.norm/, "output_norm"],
  [/^lm_head/, "output"],
  [/^model\.layers\.(\d+)\.input_layernorm/, "blk.$1.attn_norm"],
  [/^model\.layers\.(\d+)\.post_attention_layernorm/, "blk.$1.ffn_norm"],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj/, "blk.$1.attn_$2"],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj/, "blk.$1.attn_output"],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj/, "blk.$1.ffn_$2"],
];

/** @param file is written anew; values repeat, which no kernel of llama.cpp notices */
export function writeGguf(file: string, shape: LlamaShape, precision: GgufPrecision): void {
  const block = BLOCK_TYPES[precision];
  const tensors = llamaTensors(shape).map(([name, dims]) => ({
    name: ggufName(name),
    dims,
    numBytes: dims.length === 1 ? elementsOf(dims) * 4 : (elementsOf(dims) / BLOCK) * (2 + block.quantBytes),
  }));
  const header = new GgufBytes();
  header.text("GGUF", { bare: true }).u32(3).u64(tensors.length);
  const pairs = metadata(shape, block.fileType);
  header.u64(pairs.length);
  for (const [key, write] of pairs) write(header.text(key));
  let offset = 0;
  for (const { name, dims, numBytes } of tensors) {
    header.text(name).u32(dims.length);
    // the fastest dimension first
    for (const dim of dims.toReversed()) header.u64(dim);
    header.u32(dims.length === 1 ? F32 : block.typeId).u64(offset);
    offset += aligned(numBytes);
  }
  const head = header.bytes();
  const out = openSync(file, "w");
  try {
    writeSync(out, head);
    writeSync(out, new Uint8Array(aligned(head.byteLength) - head.byteLength));
    for (const { dims, numBytes } of tensors) {
      if (dims.length === 1) writeSync(out, new Float32Array(dims[0]!).fill(1));
      else writeBlocks(out, dims, block);
      writeSync(out, new Uint8Array(aligned(numBytes) - numBytes));
    }
  } finally {
    closeSync(out);
  }
}

/** What llama.cpp calls a checkpoint's tensor: `blk.0.attn_q.weight`. */
export function ggufName(name: string): string {
  const [from, to] = NAMES.find(([pattern]) => pattern.test(name))!;
  return name.replace(from, to);
}

function aligned(numBytes: number): number {
  return Math.ceil(numBytes / ALIGNMENT) * ALIGNMENT;
}

/** Random quants; scales keep activations near 1. */
function writeBlocks(out: number, dims: readonly number[], { quantBytes, maxQuant }: BlockType): void {
  const blockBytes = 2 + quantBytes;
  const numBlocks = elementsOf(dims) / BLOCK;
  const slab = randomBytes(Math.min(SLAB_BLOCKS, numBlocks) * blockBytes);
  const scale = new Uint8Array(Float16Array.of(1.7 / Math.sqrt(dims[1]!) / maxQuant).buffer);
  for (let at = 0; at < slab.byteLength; at += blockBytes) slab.set(scale, at);
  let left = numBlocks * blockBytes;
  for (; left > 0; left -= slab.byteLength) writeSync(out, slab, 0, Math.min(left, slab.byteLength));
}

function randomBytes(length: number): Uint8Array {
  let state = 1;
  const random = Uint8Array.from({ length: Math.min(RANDOM_BYTES, length) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += RANDOM_BYTES) bytes.set(random.subarray(0, length - at), at);
  return bytes;
}

type Write = (bytes: GgufBytes) => void;

function metadata(shape: LlamaShape, fileType: number): [key: string, write: Write][] {
  const u32 = (value: number): Write => {
    return (bytes) => bytes.u32(4).u32(value);
  };
  const f32 = (value: number): Write => {
    return (bytes) => bytes.u32(6).f32(value);
  };
  const text = (value: string): Write => {
    return (bytes) => bytes.u32(8).text(value);
  };
  const array = <T>(
    typeId: number,
    values: readonly T[],
    write: (bytes: GgufBytes, value: T) => void,
  ): Write => {
    return (bytes) => {
      bytes.u32(9).u32(typeId).u64(values.length);
      for (const value of values) write(bytes, value);
    };
  };
  const tokens = vocabulary(shape.vocabSize);
  return [
    ["general.architecture", text("llama")],
    ["general.name", text("random")],
    ["general.file_type", u32(fileType)],
    ["general.alignment", u32(ALIGNMENT)],
    ["llama.context_length", u32(shape.maxPositions)],
    ["llama.embedding_length", u32(shape.hiddenSize)],
    ["llama.block_count", u32(shape.numLayers)],
    ["llama.feed_forward_length", u32(shape.intermediateSize)],
    ["llama.attention.head_count", u32(shape.numHeads)],
    ["llama.attention.head_count_kv", u32(shape.numKvHeads)],
    ["llama.attention.layer_norm_rms_epsilon", f32(1e-5)],
    ["llama.rope.dimension_count", u32(shape.headDim)],
    ["llama.rope.freq_base", f32(10000)],
    ["llama.vocab_size", u32(shape.vocabSize)],
    ["tokenizer.ggml.model", text("llama")],
    ["tokenizer.ggml.tokens", array(8, tokens, (bytes, token) => bytes.text(token))],
    ["tokenizer.ggml.scores", array(6, [...tokens.keys()], (bytes, index) => bytes.f32(-index))],
    [
      "tokenizer.ggml.token_type",
      array(5, [...tokens.keys()], (bytes, index) => bytes.u32(tokenType(index))),
    ],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
    ["tokenizer.ggml.unknown_token_id", u32(0)],
  ];
}

/** As SentencePiece has it: three special tokens, a token for each byte, words. */
function vocabulary(size: number): string[] {
  return Array.from({ length: size }, (_, id) => {
    if (id < NUM_SPECIAL) return ["<unk>", "<s>", "</s>"][id]!;
    const byte = id - NUM_SPECIAL;
    if (byte < NUM_BYTES) return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    return `\u2581w${id}`;
  });
}

/** Of enum llama_token_type: unknown, control, byte, normal. */
function tokenType(id: number): number {
  if (id === 0) return 2;
  if (id < NUM_SPECIAL) return 3;
  return id < NUM_SPECIAL + NUM_BYTES ? 6 : 1;
}

/** Little-endian pieces of a file, one behind the other. */
class GgufBytes {
  readonly #pieces: Uint8Array[] = [];

  u32(value: number): this {
    return this.#add(new Uint8Array(Uint32Array.of(value).buffer));
  }

  u64(value: number): this {
    return this.#add(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  f32(value: number): this {
    return this.#add(new Uint8Array(Float32Array.of(value).buffer));
  }

  /** Length and UTF-8 bytes; `bare` leaves the length out. */
  text(value: string, { bare = false } = {}): this {
    const bytes = new TextEncoder().encode(value);
    if (!bare) this.u64(bytes.byteLength);
    return this.#add(bytes);
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }

  #add(piece: Uint8Array): this {
    this.#pieces.push(piece);
    return this;
  }
}
