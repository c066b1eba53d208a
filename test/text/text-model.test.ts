import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { TextModel } from "../../src/text/text-model.ts";

const modelDir = fileURLToPath(new URL("../../models/understudy", import.meta.url));
const params = { stop: [], includeStopStrInOutput: false, minTokens: 0, skipSpecialTokens: true };
const chat = { kind: "chat", messages: [{ role: "user", content: "Hello" }] } as const;

describe("text model", () => {
  let model: TextModel;
  before(async () => {
    model = await TextModel.load(modelDir);
  });

  it("says what it has", () => {
    assert.equal(model.info.vocabSize, 2048);
    assert.equal(model.info.hasChatTemplate, true);
    assert.ok(model.info.maxTokenChars >= "<|endoftext|>".length);
  });

  it("prepares text, conversations and ids", async () => {
    const fromChat = await model.prepare(chat, params);
    assert.equal(fromChat.promptText, "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
    const fromIds = await model.prepare({ kind: "ids", ids: [...fromChat.promptIds] }, params);
    assert.deepEqual(fromIds, fromChat);
    const fromText = await model.prepare({ kind: "text", text: fromChat.promptText }, params);
    assert.deepEqual(fromText, fromChat);
  });

  it("tokenizes with the vocabulary's spelling, and back", async () => {
    const { ids, tokens } = await model.tokenize({ kind: "text", text: "What is 1<|im_end|>" });
    assert.equal(tokens.length, ids.length);
    assert.deepEqual([tokens[1], tokens.at(-1)], ["Ġis", "<|im_end|>"]);
    assert.equal(model.decode(ids, { skipSpecialTokens: false }), "What is 1<|im_end|>");
    assert.deepEqual((await model.tokenize(chat)).ids.slice(0, 2), [1, 296]);
  });

  it("encodes a batch in order", async () => {
    const texts = ["a", "", "Hello"];
    const lists = await model.encodeBatch(texts, { addSpecialTokens: false });
    assert.deepEqual(
      lists.map((ids) => model.decode(ids, params)),
      texts,
    );
  });

  it("advances many answers at once, with text and bytes of log-probabilities, up to the stop string", async () => {
    const [ids] = await model.encodeBatch(["Yes.No"], { addSpecialTokens: false });
    const tokenIds = [...ids!];
    const logprobs = tokenIds.map((tokenId) => ({
      tokenId,
      logprob: -1,
      rank: 1,
      top: [{ tokenId: 9999, logprob: -2, rank: 2 }],
    }));
    const { output } = await model.prepare(chat, { ...params, stop: ["."] });
    const { output: other } = await model.prepare(chat, params);
    const parts = tokenIds.map((id, place) => ({
      tokenIds: [id],
      finishReason: null,
      logprobs: [logprobs[place]!],
    }));
    const [stopped, going] = model.advanceAll([
      { state: output, parts },
      { state: other, parts: parts.map((part) => ({ ...part, logprobs: null })) },
    ]);
    const textOf = (results = [] as readonly { readonly text: string }[]) =>
      results.map(({ text }) => text).join("");
    assert.equal(textOf(stopped), "Yes");
    assert.deepEqual([stopped?.at(-1)?.finishReason, stopped?.at(-1)?.stopString], ["stop", "."]);
    assert.ok(stopped!.length < tokenIds.length, "goes on behind its stop string");
    const scores = stopped!.flatMap((result) => result.logprobs ?? []);
    assert.deepEqual(
      scores.map(({ tokenId }) => tokenId),
      tokenIds.slice(0, stopped!.length),
    );
    assert.equal(textOf(scores), "Yes.");
    assert.deepEqual(
      scores.flatMap(({ bytes }) => bytes),
      [...Buffer.from("Yes.")],
    );
    assert.deepEqual(scores[0]?.top, [{ tokenId: 9999, logprob: -2, rank: 2, text: "", bytes: [] }]);
    assert.equal(textOf(going), "Yes.No");
    for (const [index, result] of going!.entries())
      assert.deepEqual(
        [result.tokenIds, result.finishReason, result.logprobs],
        [[tokenIds[index]], null, null],
      );
  });

  it("refuses a text that is sure to have too many tokens before encoding it", async () => {
    const text = "a".repeat(100 * model.info.maxTokenChars);
    const params = { stop: [], includeStopStrInOutput: false, minTokens: 0, skipSpecialTokens: true };
    await assert.rejects(model.prepare({ kind: "text", text }, params, 99), {
      code: "prompt_too_long",
      message: /at least 100 tokens; the limit is 99/,
    });
    await model.prepare({ kind: "text", text }, params, 100);
  });
});
