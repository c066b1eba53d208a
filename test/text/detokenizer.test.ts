import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createDetokenizer, detokenize } from "../../src/text/detokenizer.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { anyIds, anyText, cutAt } from "./arbitrary-text.ts";
import { llamaTokenizerJson, sampleTokenizers, tokenizerOf } from "./sample-tokenizers.ts";
import { sentencePieceSamples } from "./sentencepiece/sample-models.ts";

/** The pieces of a stream; the state crosses a thread boundary before each. */
function stream(
  tokenizer: Tokenizer,
  prompt: readonly number[],
  pieces: readonly number[][],
  skip: boolean,
): string[] {
  let state = createDetokenizer(tokenizer, prompt, { skipSpecialTokens: skip });
  return [...pieces, []].map((ids, index) => {
    const step = detokenize(tokenizer, structuredClone(state), ids, index === pieces.length);
    state = step.state;
    return step.text;
  });
}

const everyToken = (ids: readonly number[]): number[][] => ids.map((id) => [id]);
const settings = { numRuns: 60 };

for (const { name, tokenizer, reference } of [...sampleTokenizers(), ...sentencePieceSamples()]) {
  describe(`detokenizer: ${name}`, () => {
    const ids = anyIds(tokenizer.vocabSize);
    const isByte = (side: readonly number[]): boolean =>
      /^<0x..>$/.test(tokenizer.tokensOf(side, { skipSpecialTokens: true })[0] ?? "");

    it("streams what the library decodes as a whole, whatever the ids and cuts", async () => {
      await fc.assert(
        fc.asyncProperty(ids, fc.array(fc.nat()), fc.boolean(), async (output, places, skip) => {
          const whole = await reference(output, skip);
          assert.equal(stream(tokenizer, [], cutAt(output, places), skip).join(""), whole);
          assert.equal(
            tokenizer.decoder.decode(tokenizer.tokensOf(output, { skipSpecialTokens: skip })),
            whole,
          );
        }),
        settings,
      );
    });

    it("streams the rest of the whole text after a prompt", async () => {
      await fc.assert(
        fc.asyncProperty(ids, ids, fc.boolean(), async (prompt, output, skip) => {
          const before = await reference(prompt, skip);
          const whole = await reference([...prompt, ...output], skip);
          // A prompt that ends inside a character, or in a run of bytes that goes on, has no rest of its own.
          const runsOn = [prompt.toReversed(), output].every(isByte);
          fc.pre(whole.startsWith(before) && !before.endsWith("\uFFFD") && !runsOn);
          assert.equal(
            stream(tokenizer, prompt, everyToken(output), skip).join(""),
            whole.slice(before.length),
          );
        }),
        settings,
      );
    });

    it("never takes back a text, whatever follows", async () => {
      await fc.assert(
        fc.asyncProperty(ids, ids, async (output, others) => {
          const shown = stream(tokenizer, [], everyToken(output), false).slice(0, -1).join("");
          const whole = await reference([...output, ...others], false);
          assert.ok(whole.startsWith(shown), `${JSON.stringify(shown)} shown, but ${JSON.stringify(whole)}`);
        }),
        settings,
      );
    });

    it("streams encoded texts of all scripts without loss", async () => {
      await fc.assert(
        fc.asyncProperty(anyText, fc.array(fc.nat()), async (text, places) => {
          const encoded = [...(await tokenizer.encode(text, { addSpecialTokens: false }))];
          const streamed = stream(tokenizer, [], cutAt(encoded, places), false).join("");
          assert.equal(streamed, await reference(encoded, false));
        }),
        settings,
      );
    });
  });
}

describe("detokenizer", () => {
  const llama = tokenizerOf(llamaTokenizerJson());
  const id = (token: string): number => llama.tokenId(token) ?? assert.fail(token);

  it("gives an emoji once its last byte is there, when tokens are bytes of a byte-level vocabulary", async () => {
    const understudy = sampleTokenizers()[1]!.tokenizer;
    const ids = [...(await understudy.encode("a🙂b", { addSpecialTokens: false }))];
    const pieces = stream(understudy, [], everyToken(ids), true);
    assert.equal(pieces.join(""), "a🙂b");
    assert.deepEqual(
      pieces.filter((piece) => piece !== ""),
      ["a", "🙂", "b"],
    );
  });

  it("holds a run of byte tokens until it ends, because one wrong byte would change all of it", () => {
    const run = ["<0xF0>", "<0x9F>", "<0x99>", "<0x82>"].map(id);
    assert.deepEqual(stream(llama, [], everyToken([...run, id("a")]), true), ["", "", "", "", "🙂a", ""]);
    assert.deepEqual(stream(llama, [], everyToken([...run, id("<0xFF>"), id("<0x41>")]), true), [
      "",
      "",
      "",
      "",
      "�����",
      "�",
      "",
    ]);
  });

  it("keeps the space of a word after a prompt and drops it at the very beginning", () => {
    const hello = id("▁Hello");
    assert.equal(stream(llama, [hello], [[hello]], true).join(""), " Hello");
    assert.equal(stream(llama, [], [[hello]], true).join(""), "Hello");
    assert.equal(stream(llama, [id("<s>")], [[hello]], true).join(""), "Hello");
  });

  it("leaves complete characters at the end of a prompt to the prompt", () => {
    const prompt = ["▁Hello", "<0xC3>", "<0xA9>"].map(id);
    assert.equal(stream(llama, prompt, [[id("a")]], true).join(""), "a");
  });

  it("gives a character that the prompt leaves unfinished to the output", () => {
    assert.equal(stream(llama, [id("<0xC3>")], [[id("<0xA9>")], [id("a")]], true).join(""), "éa");
  });

  it("shows or leaves out special tokens", () => {
    assert.equal(stream(llama, [], [[id("Hello"), 2]], false).join(""), "Hello</s>");
    assert.equal(stream(llama, [], [[id("Hello"), 2]], true).join(""), "Hello");
  });
});
