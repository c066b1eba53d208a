import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { llamaTensors } from "../../bench/random-checkpoint.ts";
import { type GgufPrecision, ggufName, writeGguf } from "../../bench/rivals/gguf.ts";
import { temporaryDir } from "../model/make-checkpoint.ts";

const SHAPE = {
  numLayers: 2,
  hiddenSize: 64,
  intermediateSize: 96,
  numHeads: 2,
  numKvHeads: 1,
  headDim: 32,
  vocabSize: 300,
  maxPositions: 128,
};
const BLOCK_BYTES = { Q4_0: 18, Q8_0: 34 } as const;
const SCALAR_BYTES = new Map([
  [4, 4],
  [5, 4],
  [6, 4],
]);

/** Reads what llama.cpp reads before the weights. */
class Header {
  readonly #file: Buffer;
  #at = 4;

  constructor(file: Buffer) {
    this.#file = file;
  }

  u32(): number {
    this.#at += 4;
    return this.#file.readUInt32LE(this.#at - 4);
  }

  u64(): number {
    this.#at += 8;
    return Number(this.#file.readBigUInt64LE(this.#at - 8));
  }

  text(): string {
    const length = this.u64();
    this.#at += length;
    return this.#file.toString("utf8", this.#at - length, this.#at);
  }

  /** @returns texts and 32-bit numbers; the length of an array */
  value(typeId = this.u32()): string | number {
    if (typeId === 8) return this.text();
    if (typeId === 9) {
      const [elementType, length] = [this.u32(), this.u64()];
      for (let i = 0; i < length; i++) this.value(elementType);
      return length;
    }
    assert.equal(SCALAR_BYTES.get(typeId), 4);
    return this.u32();
  }

  get position(): number {
    return this.#at;
  }
}

for (const precision of ["Q4_0", "Q8_0"] as const satisfies readonly GgufPrecision[]) {
  test(`a GGUF file in ${precision} names its tensors, says where they lie, and ends behind the last`, () => {
    using dir = temporaryDir();
    const path = join(dir.path, "model.gguf");
    writeGguf(path, SHAPE, precision);
    const file = readFileSync(path);
    assert.equal(file.toString("latin1", 0, 4), "GGUF");
    const header = new Header(file);
    assert.equal(header.u32(), 3);
    const [numTensors, numPairs] = [header.u64(), header.u64()];
    const pairs = new Map(Array.from({ length: numPairs }, () => [header.text(), header.value()] as const));
    assert.equal(pairs.get("general.architecture"), "llama");
    assert.equal(pairs.get("llama.block_count"), SHAPE.numLayers);
    assert.equal(pairs.get("tokenizer.ggml.tokens"), SHAPE.vocabSize);

    const expected = llamaTensors(SHAPE);
    assert.equal(numTensors, expected.length);
    let end = 0;
    for (const [name, dims] of expected) {
      assert.equal(header.text(), ggufName(name));
      const shape = Array.from({ length: header.u32() }, () => header.u64());
      assert.deepEqual(shape, dims.toReversed());
      header.u32();
      assert.equal(header.u64(), end);
      const numElements = dims.reduce((product, dim) => product * dim, 1);
      const numBytes = dims.length === 1 ? numElements * 4 : (numElements / 32) * BLOCK_BYTES[precision];
      end += Math.ceil(numBytes / 32) * 32;
    }
    assert.equal(file.byteLength, Math.ceil(header.position / 32) * 32 + end);
  });
}
