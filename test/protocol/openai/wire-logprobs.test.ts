import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TextLogprobs } from "../../../src/protocol/engine.ts";
import {
  numCharacters,
  toChatLogprobs,
  toCompletionLogprobs,
  toPromptLogprobs,
} from "../../../src/protocol/openai/wire-logprobs.ts";

function position(text: string, logprob: number, top: TextLogprobs["top"] = []): TextLogprobs {
  return { tokenId: text.codePointAt(0) ?? 0, logprob, rank: 1, text, bytes: [...Buffer.from(text)], top };
}

test("characters are code points, whatever the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(numCharacters(text), [...text].length);
    }),
  );
});

test("an impossible token is -9999 on the wire, because JSON has no infinity", () => {
  const impossible = position("x", Number.NEGATIVE_INFINITY);
  assert.deepEqual(toCompletionLogprobs([impossible], 0).token_logprobs, [-9999]);
  assert.equal(toChatLogprobs([impossible]).content[0]?.logprob, -9999);
  assert.deepEqual(toPromptLogprobs([null, impossible]), [
    null,
    { 120: { logprob: -9999, rank: 1, decoded_token: "x" } },
  ]);
});

test("the chosen token is listed also when it is not among the most likely", () => {
  const chosen = position("z", -5, [position("a", -0.1), position("b", -2)]);
  assert.deepEqual(toCompletionLogprobs([chosen], 3), {
    tokens: ["z"],
    token_logprobs: [-5],
    top_logprobs: [{ a: -0.1, b: -2, z: -5 }],
    text_offset: [3],
  });
});

test("a token spelt like a property of objects survives", () => {
  const { top_logprobs } = toCompletionLogprobs([position("__proto__", -1)], 0);
  assert.equal(JSON.stringify(top_logprobs), '[{"__proto__":-1}]');
});
