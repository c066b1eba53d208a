/** Every golden checkpoint through the public HTTP API, on token ids, held against what transformers answered. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import { createServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { modelPath, startTestEngine, testConfig } from "../actors/test-engine.ts";

interface Expected {
  readonly prompts: readonly (readonly number[])[];
  readonly greedy: readonly { readonly ids: readonly number[]; readonly margins: readonly number[] }[];
  readonly prompt_logprobs_of_prompt_1: readonly (number | null)[];
}

interface Reply {
  readonly choices: readonly {
    readonly token_ids: readonly number[];
    readonly prompt_logprobs:
      | readonly (Readonly<Record<string, { readonly logprob: number }>> | null)[]
      | null;
  }[];
}

const FOLDER = "test/golden/models";
/** Below this margin between the two best logits either may win; see test/golden/README.md. */
const MIN_MARGIN = 1e-3;

for (const name of readdirSync(modelPath(FOLDER))) {
  test(`${name} over HTTP gives the greedy ids and prompt log-probabilities of transformers`, async () => {
    const path = modelPath(`${FOLDER}/${name}`);
    const expected: Expected = JSON.parse(readFileSync(`${path}/expected.json`, "utf8"));
    await using running = await startTestEngine({ model: { path, skipTokenizerInit: true } });
    const logger = createLogger({ level: "silent", format: "json" });
    const config = { ...testConfig().server, port: 0 };
    const server = createServer({
      engine: running.engine,
      config,
      logger,
      version: "test",
      clock: systemClock,
    });
    const { url } = await server.listen();
    try {
      const greedy = await complete(url, {
        model: name,
        prompt: expected.prompts,
        temperature: 0,
        max_tokens: 24,
        ignore_eos: true,
        return_token_ids: true,
      });
      greedy.choices.forEach(({ token_ids }, index) => {
        const { ids, margins } = expected.greedy[index]!;
        const numSure = [...margins, 0].findIndex((margin) => margin < MIN_MARGIN);
        assert.ok(numSure > 0);
        assert.deepEqual(token_ids.slice(0, numSure), ids.slice(0, numSure));
      });
      const scored = await complete(url, {
        model: name,
        prompt: expected.prompts[1],
        max_tokens: 1,
        prompt_logprobs: 0,
      });
      const [first, ...rest] = scored.choices[0]!.prompt_logprobs!;
      assert.equal(first, null);
      rest.forEach((entry, index) => {
        const [{ logprob }] = Object.values(entry!) as [{ logprob: number }];
        const difference = Math.abs(logprob - expected.prompt_logprobs_of_prompt_1[index + 1]!);
        assert.ok(difference < 1e-3, `token ${index + 1} differs by ${difference}`);
      });
    } finally {
      await server.close();
    }
  });
}

async function complete(url: string, body: object): Promise<Reply> {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text) as Reply;
}
