import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { logitsRow } from "../../src/kv/logits-memory.ts";
import { compileModel } from "../../src/model/compile/compile-model.ts";
import { PRECISIONS, type Precision } from "../../src/model/compiled-model.ts";
import type { ExecutionBatch } from "../../src/scheduling/step-plan.ts";
import { writeRandomLlama } from "../model/make-checkpoint.ts";
import { type RankSetup, RankTeam } from "./rank-team.ts";
import { argmax, assertSameBits, Stage } from "./stage.ts";

/** Every golden model and the embedded one; a folder more is a test more. */
const MODELS = [
  ...readdirSync(pathOf("test/golden/models")).map((name) => `test/golden/models/${name}`),
  "models/understudy",
].sort();

const NUM_ANSWER_TOKENS = 10;

/** What a model computed on one rank: every step with its logits. */
interface Recording {
  readonly batch: ExecutionBatch;
  readonly logits: readonly Float32Array[];
}

const cacheDir = mkdtempSync(join(tmpdir(), "troupe-ranks-"));
after(() => rmSync(cacheDir, { recursive: true }));

function pathOf(fromRoot: string): string {
  return fileURLToPath(new URL(`../../${fromRoot}`, import.meta.url));
}

function promptsOf(dir: string): number[][] {
  const expected = JSON.parse(readFileSync(pathOf(`${dir}/expected.json`), "utf8")) as
    | { readonly prompts: number[][] }
    | { readonly prompt_ids: number[] }[];
  return Array.isArray(expected) ? expected.slice(0, 4).map((entry) => entry.prompt_ids) : expected.prompts;
}

/** Greedy answers to all prompts: prompt after prompt first, then side by side. */
async function record(
  modelDir: string,
  precision: Precision,
  prompts: readonly (readonly number[])[],
): Promise<Recording[]> {
  const compiled = await compileModel({ modelDir, precision, cacheDir });
  const stage = new Stage(compiled, { numThreads: 1 });
  const recordings: Recording[] = [];
  const step = (moves: Parameters<Stage["batchOf"]>[0]): void => {
    const batch = stage.batchOf(moves);
    const logits = stage.execute(batch);
    for (const [i, { sequence, numTokens }] of moves.entries()) {
      sequence.numComputed += numTokens;
      sequence.ids.push(argmax(logits[i]!));
    }
    recordings.push({ batch, logits });
  };
  const sequences = prompts.map((prompt) => stage.begin(prompt));
  step(sequences.map((sequence) => ({ sequence, numTokens: sequence.ids.length })));
  for (let i = 1; i < NUM_ANSWER_TOKENS; i++) step(sequences.map((sequence) => ({ sequence, numTokens: 1 })));
  stage.runner.release();
  return recordings;
}

/** Runs the same steps on all ranks, and holds every logit against the one of a single rank. */
async function assertSameLogits(
  team: RankTeam,
  setup: RankSetup,
  recordings: readonly Recording[],
): Promise<void> {
  for (const { batch, logits } of recordings) {
    await team.tellAll({ kind: "execute", batch });
    for (const [row, expected] of logits.entries()) {
      assertSameBits(logitsRow(setup.logits, row), expected, `step ${batch.step}, row ${row}`);
    }
  }
}

async function assertSameHiddenStates(team: RankTeam, batch: ExecutionBatch): Promise<void> {
  const [first, ...others] = (await team.tellAll({ kind: "chain", batch })) as Float32Array[][];
  for (const states of others) {
    for (const [layer, state] of states.entries()) assertSameBits(state, first![layer]!, `layer ${layer}`);
  }
}

/** Other precisions differ in their products alone: a model with biases, one with heads and channels, two with experts. */
const QUANTIZED = [
  "models/understudy",
  "test/golden/models/bloom",
  "test/golden/models/llama2",
  "test/golden/models/mixtral-moe",
  "test/golden/models/qwen3-moe",
];

test("ranks - 2 and 4 of them have the bits of one, and each the same hidden rows", async (t) => {
  await using two = new RankTeam(2);
  await using four = new RankTeam(4);
  for (const dir of MODELS) {
    for (const precision of QUANTIZED.includes(dir) ? PRECISIONS : (["fp32"] as const)) {
      await t.test(`${dir} in ${precision}`, async () => {
        const recordings = await record(pathOf(dir), precision, promptsOf(dir));
        for (const team of [two, four]) {
          const setup = await team.load(pathOf(dir), precision, cacheDir);
          await assertSameLogits(team, setup, recordings);
          await assertSameHiddenStates(team, recordings[0]!.batch);
        }
      });
    }
  }
});

test("ranks - a vocabulary that does not divide evenly is cut where no bit changes", async (t) => {
  const modelDir = join(cacheDir, "odd");
  mkdirSync(modelDir);
  writeRandomLlama(modelDir, { hidden: 64, mlp: 64, layers: 1, heads: 4, vocab: 45 });
  for (const numRanks of [2, 4]) {
    await using team = new RankTeam(numRanks);
    for (const precision of PRECISIONS) {
      await t.test(`on ${numRanks} ranks in ${precision}`, async () => {
        const recordings = await record(modelDir, precision, [[1, 2, 3, 40], [44]]);
        await assertSameLogits(team, await team.load(modelDir, precision, cacheDir), recordings);
      });
    }
  }
});
