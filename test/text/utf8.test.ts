import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { characterStatus, decodeLossy, partialTailLength, toBinary } from "../../src/text/utf8.ts";

const tricky = [
  0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1,
  0xf4, 0xf5, 0xff,
];
const binary = fc
  .array(fc.constantFrom(...tricky), { maxLength: 12 })
  .map((bytes) => String.fromCharCode(...bytes));

describe("UTF-8 in pieces", () => {
  it("gives the same text however the bytes are cut, when partial tails are held", () => {
    fc.assert(
      fc.property(binary, binary, (first, second) => {
        const held = partialTailLength(first);
        const settled = decodeLossy(first.slice(0, first.length - held));
        const rest = decodeLossy(first.slice(first.length - held) + second);
        assert.equal(settled + rest, decodeLossy(first + second));
      }),
      { numRuns: 2000 },
    );
  });

  it("holds only what some next byte completes", () => {
    fc.assert(
      fc.property(binary, (bytes) => {
        const held = partialTailLength(bytes);
        if (held > 0) assert.equal(characterStatus(bytes.slice(-held)), "partial");
        assert.ok(held <= 3);
      }),
    );
  });

  it("knows every character as complete and each of its beginnings as partial", () => {
    for (const character of ["a", "é", "日", "🙂", "\u{10ffff}", "\ue000", "\ud7ff"]) {
      const bytes = toBinary(character);
      assert.equal(characterStatus(bytes), "complete");
      for (let length = 1; length < bytes.length; length++)
        assert.equal(characterStatus(bytes.slice(0, length)), "partial");
    }
  });

  it("keeps a byte order mark", () => {
    assert.equal(decodeLossy("\u00ef\u00bb\u00bfa"), "\ufeffa");
  });
});
