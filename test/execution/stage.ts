/** Drives a ModelRunner by hand, without a scheduler: sequences with pages of their own, any tokens of any of them in a step. */
import assert from "node:assert/strict";
import { createModelRunner, type ModelRunner } from "../../src/execution/model-runner.ts";
import type { KvDtype } from "../../src/kv/forms/kv-form.ts";
import { createKvMemory, type KvMemory } from "../../src/kv/kv-memory.ts";
import { createLogitsMemory, type LogitsMemory, logitsRow } from "../../src/kv/logits-memory.ts";
import type { CompiledModel } from "../../src/model/compiled-model.ts";
import type { ExecutionBatch } from "../../src/scheduling/step-plan.ts";

/** Tokens in a page of a {@link Stage}. */
export const PAGE_SIZE = 16;

/** A sequence of a test: its tokens so far and how many of them have been computed. */
export interface TestSequence {
  readonly ids: number[];
  readonly blockTable: number[];
  readonly numPromptTokens: number;
  numComputed: number;
}

/** What one sequence does in a step. */
export interface Move {
  readonly sequence: TestSequence;
  readonly numTokens: number;
  /** Which of the step's tokens of this sequence give logits. Default: the last. */
  readonly logits?: "none" | "last" | "all";
}

/** What a test may choose. */
export interface StageOptions {
  readonly numThreads?: number;
  readonly maxLogitRows?: number;
  readonly kvDtype?: KvDtype;
  readonly shouldStop?: () => boolean;
}

/** A runner with its memory. */
export interface StageParts {
  readonly runner: ModelRunner;
  readonly kv: KvMemory;
  readonly logits: LogitsMemory;
}

interface CompiledPlace {
  readonly dir: string;
  readonly model: CompiledModel;
}

function compiledParts({ dir, model }: CompiledPlace, options: StageOptions): StageParts {
  const kv = createKvMemory({
    ...model,
    kvDtype: options.kvDtype ?? "f32",
    pageSize: PAGE_SIZE,
    numPages: 256,
  });
  const logits = createLogitsMemory(options.maxLogitRows ?? 512, model.vocabSize);
  const runner = createModelRunner({
    compiledDir: dir,
    model,
    kv,
    logits,
    numThreads: options.numThreads ?? 2,
    maxNumBatchedTokens: 64,
    ...(options.shouldStop === undefined ? {} : { shouldStop: options.shouldStop }),
  });
  return { runner, kv, logits };
}

/** A loaded model with pages, logits and nothing else. */
export class Stage {
  readonly runner: ModelRunner;
  readonly kv: KvMemory;
  readonly #logits: LogitsMemory;
  readonly #free: number[];
  #step = 0;

  constructor(source: StageParts | CompiledPlace, options: StageOptions = {}) {
    const { runner, kv, logits } = "runner" in source ? source : compiledParts(source, options);
    this.runner = runner;
    this.kv = kv;
    this.#logits = logits;
    const { numPages } = kv.layout;
    this.#free = Array.from({ length: numPages }, (_, i) => (i * 37) % numPages);
  }

  begin(ids: readonly number[], numPromptTokens = ids.length): TestSequence {
    return { ids: [...ids], blockTable: [], numPromptTokens, numComputed: 0 };
  }

  takePage(): number {
    const page = this.#free.pop();
    assert.ok(page !== undefined, "the stage has pages left");
    return page;
  }

  /** Computes one step. @returns copies of the logits rows, move after move */
  step(moves: readonly Move[]): Float32Array[] {
    const rows = this.execute(this.batchOf(moves));
    for (const { sequence, numTokens } of moves) sequence.numComputed += numTokens;
    return rows;
  }

  /** Executes a batch. @returns copies of its logits rows */
  execute(batch: ExecutionBatch): Float32Array[] {
    this.runner.execute(batch);
    return Array.from(batch.logitTokens, (_, row) => this.logitsRow(row));
  }

  /** A copy of a row of the logits memory. */
  logitsRow(row: number): Float32Array {
    return logitsRow(this.#logits, row).slice();
  }

  /** The batch for these moves; pages are taken as needed. */
  batchOf(moves: readonly Move[]): ExecutionBatch {
    const tokenIds: number[] = [];
    const tokenStarts = [0];
    const blockTables: number[] = [];
    const blockStarts = [0];
    const logitTokens: number[] = [];
    for (const { sequence, numTokens, logits = "last" } of moves) {
      const end = sequence.numComputed + numTokens;
      while (sequence.blockTable.length * PAGE_SIZE < end) sequence.blockTable.push(this.takePage());
      tokenIds.push(...sequence.ids.slice(sequence.numComputed, end));
      const firstWanted = { none: numTokens, last: numTokens - 1, all: 0 }[logits];
      for (let i = firstWanted; i < numTokens; i++) logitTokens.push(tokenStarts.at(-1)! + i);
      tokenStarts.push(tokenIds.length);
      blockTables.push(...sequence.blockTable);
      blockStarts.push(blockTables.length);
    }
    return {
      step: ++this.#step,
      tokenIds: Int32Array.from(tokenIds),
      tokenStarts: Int32Array.from(tokenStarts),
      contextLens: Int32Array.from(moves, (move) => move.sequence.numComputed),
      promptLens: Int32Array.from(moves, (move) => move.sequence.numPromptTokens),
      blockStarts: Int32Array.from(blockStarts),
      blockTables: Int32Array.from(blockTables),
      logitTokens: Int32Array.from(logitTokens),
      pageCopies: new Int32Array(0),
    };
  }
}

/** The index of the largest logit. */
export function argmax(logits: Float32Array): number {
  return logits.reduce((best, value, index) => (value > logits[best]! ? index : best), 0);
}

/** Computes a prompt in one step, or in chunks, and gives the logits of its last token. */
export function prefill(
  stage: Stage,
  sequence: TestSequence,
  chunk = Number.POSITIVE_INFINITY,
): Float32Array {
  for (;;) {
    const left = sequence.ids.length - sequence.numComputed;
    const [logits] = stage.step([{ sequence, numTokens: Math.min(left, chunk) }]);
    if (left <= chunk) return logits!;
  }
}

/** Fails unless both rows agree in every bit. */
export function assertSameBits(actual: Float32Array, expected: Float32Array, what: string): void {
  const bits = (floats: Float32Array) => Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength);
  if (bits(actual).equals(bits(expected))) return;
  const index = actual.findIndex((value, i) => !Object.is(value, expected[i]));
  assert.fail(`${what}: element ${index} is ${actual[index]}, expected ${expected[index]}`);
}
