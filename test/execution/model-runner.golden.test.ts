import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { compileModel } from "../../src/model/compile/compile-model.ts";
import { PRECISIONS } from "../../src/model/compiled-model.ts";
import { argmax, assertSameBits, prefill, Stage } from "./stage.ts";

/** Every golden model; a folder more is a test more. */
const MODELS = readdirSync(pathOf("test/golden/models")).sort();

/** A smaller gap between the two best logits may flip between two correct programs. */
const SAFE_MARGIN = 1e-3;

interface Golden {
  readonly prompts: number[][];
  readonly logits_last: number[][];
  readonly greedy: { readonly ids: number[]; readonly margins: number[] }[];
  readonly prompt_logprobs_of_prompt_1: (number | null)[];
}

interface Conversation {
  readonly prompt_ids: number[];
  readonly greedy_ids: number[];
}

const cacheDir = mkdtempSync(join(tmpdir(), "troupe-golden-"));
after(() => rmSync(cacheDir, { recursive: true }));

function pathOf(fromRoot: string): string {
  return fileURLToPath(new URL(`../../${fromRoot}`, import.meta.url));
}

function readJson<T>(fromRoot: string): T {
  return JSON.parse(readFileSync(pathOf(fromRoot), "utf8")) as T;
}

async function stageOf(modelDir: string, precision: (typeof PRECISIONS)[number]): Promise<Stage> {
  return new Stage(await compileModel({ modelDir: pathOf(modelDir), precision, cacheDir }));
}

function logSoftmaxAt(logits: Float32Array, id: number): number {
  const max = logits.reduce((a, b) => Math.max(a, b));
  return logits[id]! - max - Math.log(logits.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

/** Largest distance between two rows. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
}

for (const name of MODELS) {
  const dir = `test/golden/models/${name}`;
  const golden = readJson<Golden>(`${dir}/expected.json`);

  test(`model runner - ${name} in fp32 gives the logits, answers and log-probabilities of transformers`, async () => {
    const stage = await stageOf(dir, "fp32");
    for (const [index, prompt] of golden.prompts.entries()) {
      const sequence = stage.begin(prompt);
      let logits = prefill(stage, sequence);
      assert.ok(distance(logits, golden.logits_last[index]!) < 1e-3, `prompt ${index}`);
      const { ids, margins } = golden.greedy[index]!;
      for (const [step, expected] of ids.entries()) {
        if (margins[step]! < SAFE_MARGIN) break;
        assert.equal(argmax(logits), expected, `prompt ${index}, token ${step}`);
        sequence.ids.push(expected);
        [logits] = stage.step([{ sequence, numTokens: 1 }]) as [Float32Array];
      }
    }
    const scored = golden.prompts[1]!;
    const rows = stage.step([{ sequence: stage.begin(scored), numTokens: scored.length, logits: "all" }]);
    const logprobs = scored.slice(1).map((id, i) => logSoftmaxAt(rows[i]!, id));
    assert.ok(distance(logprobs, golden.prompt_logprobs_of_prompt_1.slice(1) as number[]) < 1e-3);
    stage.runner.release();
  });

  for (const precision of PRECISIONS) {
    test(`model runner - ${name} in ${precision} has the same bits whole, in chunks, among others and after recomputing`, async (t) => {
      const stage = await stageOf(dir, precision);
      const sequences = golden.prompts.map((prompt) => stage.begin(prompt));
      const alone = sequences.map((sequence) => prefill(stage, sequence));
      const moved = alone.map((logits, i) => distance(logits, golden.logits_last[i]!));
      t.diagnostic(`logits move by ${Math.max(...moved).toFixed(5)}`);
      for (const logits of alone) assert.ok(logits.every(Number.isFinite));
      for (const [i, prompt] of golden.prompts.entries()) {
        assertSameBits(prefill(stage, stage.begin(prompt), 7), alone[i]!, `prompt ${i} in chunks of 7`);
      }
      const together = golden.prompts.map((prompt) => ({
        sequence: stage.begin(prompt),
        numTokens: prompt.length,
      }));
      for (const [i, logits] of stage.step(together).entries()) {
        assertSameBits(logits, alone[i]!, `prompt ${i} among the others`);
      }
      let rows = alone;
      for (let step = 0; step < 6; step++) {
        for (const [i, sequence] of sequences.entries()) sequence.ids.push(argmax(rows[i]!));
        rows = stage.step(sequences.map((sequence) => ({ sequence, numTokens: 1 })));
      }
      for (const [i, sequence] of sequences.entries()) {
        assertSameBits(prefill(stage, stage.begin(sequence.ids)), rows[i]!, `prompt ${i} recomputed`);
      }
      stage.runner.release();
    });
  }
}

test("model runner - the embedded model answers as transformers does, all conversations in one batch", async (t) => {
  const conversations = readJson<Conversation[]>("models/understudy/expected.json");
  for (const precision of ["fp32", "w8"] as const) {
    const stage = await stageOf("models/understudy", precision);
    const answers = answerTogether(stage, conversations);
    const matching = answers.filter((answer, i) => isEqual(answer, conversations[i]!.greedy_ids)).length;
    t.diagnostic(`${precision}: ${matching} of ${conversations.length} answers are the same`);
    if (precision === "fp32")
      assert.deepEqual(
        answers,
        conversations.map((conversation) => conversation.greedy_ids),
      );
    stage.runner.release();
  }
});

function isEqual(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** Greedy answers, each as long as the expected one, all sequences decoding side by side. */
function answerTogether(stage: Stage, conversations: readonly Conversation[]): number[][] {
  const sequences = conversations.map((conversation) => stage.begin(conversation.prompt_ids));
  const answers = conversations.map((): number[] => []);
  let active = sequences.map((sequence, index) => ({ sequence, index, logits: prefill(stage, sequence) }));
  while (active.length > 0) {
    for (const { sequence, index, logits } of active) {
      sequence.ids.push(argmax(logits));
      answers[index]!.push(sequence.ids.at(-1)!);
    }
    active = active.filter(({ index }) => answers[index]!.length < conversations[index]!.greedy_ids.length);
    const rows = stage.step(active.map(({ sequence }) => ({ sequence, numTokens: 1 })));
    active = active.map((entry, i) => ({ ...entry, logits: rows[i]! }));
  }
  return answers;
}
