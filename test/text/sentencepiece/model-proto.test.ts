import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { parseSentencePieceModel } from "../../../src/text/sentencepiece/model-proto.ts";
import { SentencePieceProcessor } from "../../../src/text/sentencepiece/sentencepiece-processor.ts";
import { BASICS, BYTES, KIND, message, modelFile, type PieceSpec } from "./sample-models.ts";

const BPE = [3, 2] as const;
const golden = (name: string): Buffer =>
  readFileSync(new URL(`../../golden/tokenizers/${name}/tokenizer.model`, import.meta.url));

/** What loading the file says; null when it loads, and then it also encodes. */
function refusal(bytes: Buffer): string | null {
  try {
    new SentencePieceProcessor(parseSentencePieceModel(bytes, "tokenizer.model")).encode(
      "Hello ﬁ  wörld\u3000!",
    );
    return null;
  } catch (error) {
    assert.ok(error instanceof TroupeError, String(error));
    assert.ok(["invalid_model", "unsupported_model"].includes(error.code), error.code);
    assert.match(error.message, /tokenizer\.model/);
    return error.message;
  }
}

describe("a tokenizer.model that is wrong", () => {
  it("is refused with the cause", () => {
    const cases: [Buffer, RegExp][] = [
      [Buffer.alloc(0), /no pieces/],
      [Buffer.from("version https://git-lfs.github.com/spec/v1\n"), /no SentencePiece model/],
      [Buffer.from([0x0a, 0x7f]), /reaches beyond/],
      [Buffer.from([0x0a]), /ends inside a number/],
      [Buffer.alloc(12, 0xff), /more than ten bytes/],
      [Buffer.from([0x07]), /number 0/],
      [Buffer.from([0x0b]), /wire type 3/],
      [modelFile([["a", 0, KIND.normal]], [BPE]), /0 pieces for the unknown/],
      [modelFile([...BASICS, ["<?>", 0, KIND.unknown]], [BPE]), /2 pieces for the unknown/],
      [modelFile([...BASICS, ["a", 0, KIND.normal], ["a", 1, KIND.normal]], [BPE]), /"a" is there twice/],
      [modelFile([...BASICS, ["", 0, KIND.normal]], [BPE]), /is empty/],
      [modelFile([...BASICS, ["a", 0, 9]], [BPE]), /unknown type/],
      [modelFile([...BASICS, ["a", Number.NaN, KIND.normal]], [BPE]), /no number/],
      [modelFile([...BASICS, ...BYTES], [BPE]), /byte piece/],
      [modelFile([...BASICS, ...BYTES.slice(1)], [BPE, [35, 1]]), /255 of 256/],
      [modelFile(BASICS, [BPE], [[2, Buffer.from([8, 0, 0, 0, 1])]]), /precompiled_charsmap/],
      [message([1, message([1, Buffer.from([0xff])])]), /not UTF-8/],
      [modelFile(BASICS, [[3, 3]]), /model type 3/],
      [Buffer.concat([modelFile(BASICS, [BPE]), message([5, message([2, "map"])])]), /denormalizer/],
    ];
    for (const [bytes, cause] of cases) assert.match(refusal(bytes) ?? "it loaded", cause);
  });

  it("ends in a coded error or in a usable model wherever it is damaged", () => {
    const files = ["sentencepiece-llama", "sentencepiece-unigram-nmt"].map(golden);
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.option(fc.nat()),
        (file, changes, cut) => {
          const damaged = Buffer.from(cut === null ? file : file.subarray(0, cut % file.length));
          for (const [at, byte] of changes) if (damaged.length > 0) damaged[at % damaged.length] = byte;
          refusal(damaged);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("survives a damaged character map", () => {
    const map = Buffer.concat([Buffer.from([64, 0, 0, 0]), Buffer.alloc(64, 0xff), Buffer.from("x")]);
    const letters: PieceSpec[] = [...BASICS, ["a", -1, KIND.normal]];
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (units) => {
        map.set(units, 4);
        assert.equal(refusal(modelFile(letters, [BPE], [[2, map]])), null);
      }),
      { numRuns: 200 },
    );
  });
});
