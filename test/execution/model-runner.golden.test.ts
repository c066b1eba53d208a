import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { KV_DTYPES, type KvDtype } from "../../src/kv/forms/kv-form.ts";
import { compileModel } from "../../src/model/compile/compile-model.ts";
import { PRECISIONS, type Precision } from "../../src/model/compiled-model.ts";
import { argmax, assertSameBits, prefill, Stage } from "./stage.ts";

/** Every golden model; a folder more is a test more. */
const MODELS = readdirSync(pathOf("test/golden/models")).sort();

/** A smaller gap between the two best logits may flip between two correct programs. */
const SAFE_MARGIN = 1e-3;

/** Every precision with exact keys and values, every form of keys and values with exact weights, and the smallest of both. */
const FORMS: readonly (readonly [precision: Precision, kvDtype: KvDtype])[] = [
  ...PRECISIONS.map((precision) => [precision, "f32"] as const),
  ["fp32", "f16"],
  ["fp32", "int8"],
  ["w8", "int8"],
];

/** How far keys and values in few bits may move logits, root mean square to root mean square, and how many greedy ids they keep. */
const KV_LIMITS = {
  f32: { error: 1e-5, kept: 0.98 },
  f16: { error: 3e-3, kept: 0.97 },
  int8: { error: 4e-2, kept: 0.9 },
} as const satisfies Record<KvDtype, { readonly error: number; readonly kept: number }>;

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

async function stageOf(modelDir: string, precision: Precision, kvDtype: KvDtype = "f32"): Promise<Stage> {
  return new Stage(await compileModel({ modelDir: pathOf(modelDir), precision, cacheDir }), { kvDtype });
}

function logSoftmaxAt(logits: Float32Array, id: number): number {
  const max = logits.reduce((a, b) => Math.max(a, b));
  return logits[id]! - max - Math.log(logits.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

/** Largest distance between two rows. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
}

/** Root mean square of the difference over that of what is expected. */
function relativeError(rows: readonly Float32Array[], expected: readonly (readonly number[])[]): number {
  const sumOver = (of: (value: number, expected: number) => number): number =>
    rows.reduce(
      (sum, row, r) => row.reduce((inRow, value, i) => inRow + of(value, expected[r]![i]!) ** 2, sum),
      0,
    );
  return Math.sqrt(sumOver((value, wanted) => value - wanted) / sumOver((_, wanted) => wanted));
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

  for (const kvDtype of KV_DTYPES) {
    test(`model runner - ${name} with keys and values in ${kvDtype} stays near`, async (t) => {
      const stage = await stageOf(dir, "fp32", kvDtype);
      const firsts: Float32Array[] = [];
      let numKept = 0;
      let numIds = 0;
      for (const [index, prompt] of golden.prompts.entries()) {
        const sequence = stage.begin([...prompt, ...golden.greedy[index]!.ids.slice(0, -1)]);
        const rows = stage.step([{ sequence, numTokens: sequence.ids.length, logits: "all" }]);
        firsts.push(rows[prompt.length - 1]!);
        for (const [step, id] of golden.greedy[index]!.ids.entries()) {
          numIds++;
          if (argmax(rows[prompt.length - 1 + step]!) === id) numKept++;
        }
      }
      const error = relativeError(firsts, golden.logits_last);
      t.diagnostic(
        `logits move by ${(100 * error).toFixed(3)} %, ${numKept} of ${numIds} greedy ids are kept`,
      );
      assert.ok(error < KV_LIMITS[kvDtype].error);
      assert.ok(numKept >= KV_LIMITS[kvDtype].kept * numIds);
      stage.runner.release();
    });
  }

  for (const [precision, kvDtype] of FORMS) {
    test(`model runner - ${name} in ${precision} and ${kvDtype} has the same bits whole, in chunks, among others and after recomputing`, async (t) => {
      const stage = await stageOf(dir, precision, kvDtype);
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

/** Of the embedded model's answers, how many must be those of transformers. */
const EMBEDDED: readonly (readonly [precision: Precision, kvDtype: KvDtype, minMatching: number])[] = [
  ["fp32", "f32", 17],
  ["fp32", "f16", 17],
  ["w8", "f32", 14],
  ["w8", "int8", 14],
];

for (const [precision, kvDtype, minMatching] of EMBEDDED) {
  test(`model runner - the embedded model in ${precision} and ${kvDtype} answers as transformers does, all conversations in one batch`, async (t) => {
    const conversations = readJson<Conversation[]>("models/understudy/expected.json");
    const stage = await stageOf("models/understudy", precision, kvDtype);
    const answers = answerTogether(stage, conversations);
    const matching = answers.filter((answer, i) => isEqual(answer, conversations[i]!.greedy_ids)).length;
    t.diagnostic(`${matching} of ${conversations.length} answers are the same`);
    assert.ok(matching >= minMatching, `${matching} of ${conversations.length} answers`);
    stage.runner.release();
  });
}

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
