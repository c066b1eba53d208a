import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { FinishReason } from "../../src/scheduling/step-plan.ts";
import { advanceOutput, createOutput, type TextParams } from "../../src/text/output-stream.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { anyIds, anyText, cutAt } from "./arbitrary-text.ts";
import { llamaTokenizerJson, sampleTokenizers, tokenizerOf } from "./sample-tokenizers.ts";

const plain: TextParams = { stop: [], includeStopStrInOutput: false, minTokens: 0, skipSpecialTokens: true };
const understudy = sampleTokenizers()[1]!.tokenizer;
const END = 2;

/** Runs an answer to its end as the engine would: the last step carries the finish reason. */
function run(
  tokenizer: Tokenizer,
  params: TextParams,
  steps: readonly number[][],
  finishReason: FinishReason,
) {
  let state = createOutput(tokenizer, [], params);
  let text = "";
  let numTokens = 0;
  for (const [index, tokenIds] of steps.entries()) {
    const isLast = index === steps.length - 1;
    const delta = advanceOutput(tokenizer, structuredClone(state), {
      tokenIds,
      finishReason: isLast ? finishReason : null,
    });
    state = delta.state;
    text += delta.text;
    numTokens += delta.numTokens;
    if (delta.finishReason !== null)
      return { text, numTokens, finishReason: delta.finishReason, stopString: delta.stopString, state };
  }
  assert.fail("the answer never finished");
}

/** The ending token comes in the step that carries the finish reason. */
function withEnd(steps: readonly number[][]): number[][] {
  return [...steps.slice(0, -1), [...(steps.at(-1) ?? []), END]];
}

async function encode(text: string): Promise<number[]> {
  return [...(await understudy.encode(text, { addSpecialTokens: false }))];
}

describe("output stream", () => {
  it("does not depend on how tokens are cut into steps", async () => {
    const stops = fc.array(fc.constantFrom("a", "e l", "Hello", "日本", "🙂", "\n", "��"), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        anyText,
        anyIds(understudy.vocabSize),
        stops,
        fc.array(fc.nat()),
        fc.record({ include: fc.boolean(), skip: fc.boolean(), min: fc.nat(12), ends: fc.boolean() }),
        async (text, ids, stop, places, { include, skip, min, ends }) => {
          const params = { stop, includeStopStrInOutput: include, minTokens: min, skipSpecialTokens: skip };
          const tokens = [...(await encode(text)), ...ids];
          const reason = ends ? "stop" : "length";
          const { state: _, ...atOnce } = run(understudy, params, [[...tokens, END]], reason);
          const { state: __, ...inSteps } = run(understudy, params, withEnd(cutAt(tokens, places)), reason);
          assert.deepEqual(inSteps, atOnce);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("ends at a stop string across token borders and counts tokens up to the one that completes it", async () => {
    const ids = [...(await encode("One, two")), ...(await encode("\n\nUser")), ...(await encode(": three"))];
    const { text, numTokens, finishReason, stopString } = run(
      understudy,
      { ...plain, stop: ["\nUser:"] },
      [ids],
      "length",
    );
    assert.deepEqual(
      { text, finishReason, stopString },
      { text: "One, two\n", finishReason: "stop", stopString: "\nUser:" },
    );
    const shown = understudy.decoder.decode(understudy.tokensOf(ids.slice(0, numTokens), plain));
    assert.ok(shown.includes("\nUser:"));
    assert.ok(
      !understudy.decoder.decode(understudy.tokensOf(ids.slice(0, numTokens - 1), plain)).includes("\nUser:"),
    );
  });

  it("ignores tokens that arrive after its end", async () => {
    const { state } = run(understudy, { ...plain, stop: ["a"] }, [await encode("banana")], "length");
    assert.deepEqual(advanceOutput(understudy, state, { tokenIds: [40, 41], finishReason: "length" }), {
      state,
      text: "",
      numTokens: 0,
      finishReason: null,
      stopString: null,
    });
  });

  it("gives held text at the end when no stop string comes", async () => {
    const result = run(understudy, { ...plain, stop: ["END!"] }, [await encode("the EN")], "length");
    assert.equal(result.text, "the EN");
    assert.equal(result.finishReason, "length");
  });

  it("shows the ending token only when stop strings are shown and special tokens not skipped", async () => {
    const ids = [...(await encode("Hi")), END];
    const text = (changes: Partial<TextParams>) =>
      run(understudy, { ...plain, ...changes }, [ids], "stop").text;
    assert.equal(text({}), "Hi");
    assert.equal(text({ skipSpecialTokens: false }), "Hi");
    assert.equal(text({ skipSpecialTokens: false, includeStopStrInOutput: true }), "Hi<|im_end|>");
    assert.equal(text({ includeStopStrInOutput: true }), "Hi");
  });

  it("lets stop strings act after minTokens tokens", async () => {
    const ids = await Promise.all(["a", "b", "a", "b"].map(encode)).then((lists) => lists.flat());
    const stopped = (minTokens: number) =>
      run(understudy, { ...plain, stop: ["ab"], minTokens }, [ids], "length");
    assert.equal(stopped(1).numTokens, 2);
    assert.deepEqual([stopped(2).text, stopped(2).numTokens, stopped(2).stopString], ["ab", 4, "ab"]);
    assert.deepEqual([stopped(4).text, stopped(4).finishReason], ["abab", "length"]);
  });

  it("finds a stop string in text that only the end of the answer settles", () => {
    const llama = tokenizerOf(llamaTokenizerJson());
    const ids = ["a", "<0xC3>", "<0xA9>"].map((token) => llama.tokenId(token) ?? assert.fail(token));
    const result = run(llama, { ...plain, stop: ["é"] }, [ids], "length");
    assert.deepEqual([result.text, result.finishReason, result.stopString], ["a", "stop", "é"]);
  });

  it("never cuts a character for half of it as stop string", async () => {
    const params = { ...plain, stop: ["\ud83d"], includeStopStrInOutput: true };
    assert.equal(run(understudy, params, [await encode("a🙂b")], "length").text, "a🙂b");
  });

  it("gives an unfinished character as U+FFFD at the end", async () => {
    const ids = (await encode("🙂")).slice(0, -1);
    assert.equal(run(understudy, plain, [ids], "length").text, "�");
  });
});
