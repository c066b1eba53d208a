import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { TaskPool } from "../../src/hosts/task-pool.ts";

const params = { stop: ["Paris"], includeStopStrInOutput: false, minTokens: 0, skipSpecialTokens: true };

function poolOf(modelDir: string) {
  return new TaskPool<typeof import("../../actors/tokenizer-worker.ts")>({
    name: "tokenizer pool",
    module: new URL("../../actors/tokenizer-worker.ts", import.meta.url),
    threads: 2,
    tasksPerThread: 2,
    maxQueued: 64,
    workerData: { modelDir, maxPromptTokens: 2048 },
  });
}

describe("tokenizer worker", () => {
  const understudyDir = fileURLToPath(new URL("../../models/understudy", import.meta.url));
  const pool = poolOf(understudyDir);
  after(() => pool.close());

  it("streams answers whose state travels between workers", async () => {
    const messages = [{ role: "user", content: "What is the capital of France?" }];
    const { output } = await pool.run("prepare", { prompt: { kind: "chat", messages }, params, cuts: [] });
    const { ids } = await pool.run("tokenize", { kind: "text", text: "The 🙂 capital is Paris." });
    let state = output;
    let text = "";
    for (const id of ids) {
      const [[result] = []] = await pool.run("advanceAll", [
        { state, parts: [{ tokenIds: [id], finishReason: null, logprobs: null }] },
      ]);
      state = result!.state;
      text += result!.text;
      if (result!.finishReason === null) continue;
      assert.equal(result!.stopString, "Paris");
      break;
    }
    assert.equal(text, "The 🙂 capital is ");
  });

  it("encodes, decodes and spells", async () => {
    const [ids] = await pool.run("encodeBatch", { texts: ["Hello"], addSpecialTokens: true });
    assert.equal(
      await pool.run("decode", { ids: [...ids!, 2], skipSpecialTokens: false }),
      "Hello<|im_end|>",
    );
    assert.equal((await pool.run("info", null)).vocabSize, 2048);
    const [logprob] = await pool.run("textLogprobs", [{ tokenId: ids![0]!, logprob: 0, rank: 1, top: [] }]);
    assert.equal(logprob?.text, "Hello");
  });

  it("gives a template's refusal its code", async () => {
    const prompt = { kind: "chat", messages: [], template: "{{ raise_exception('no') }}" } as const;
    await assert.rejects(pool.run("prepare", { prompt, params, cuts: [] }), {
      code: "invalid_request",
      message: /no/,
    });
  });

  it("reports a folder that cannot be loaded with every task", async () => {
    const broken = poolOf(fileURLToPath(new URL("../golden/models/llama2", import.meta.url)));
    const error = { code: "invalid_model", message: /llama2 has no tokenizer\.json/ };
    await assert.rejects(broken.run("info", null), error);
    await assert.rejects(broken.run("decode", { ids: [], skipSpecialTokens: true }), error);
    await broken.close();
  });
});
