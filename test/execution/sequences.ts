/** Drives a ModelRunner by hand, without a scheduler: sequences with pages of their own, any tokens of any of them in a step. */
import { type ModelRunner, createModelRunner } from "../../src/execution/model-runner.ts";
import { createKvMemory, type KvMemory } from "../../src/kv/kv-memory.ts";
import { createLogitsMemory, type LogitsMemory, logitsRow } from "../../src/kv/logits-memory.ts";
import type { CompiledModel } from "../../src/model/compiled-model.ts";
import type { ExecutionBatch } from "../../src/scheduling/step-plan.ts";

const PAGE_SIZE = 16;

/** A sequence of a test: its tokens so far and how many of them have been computed. */
export interface TestSequence {
  readonly ids: number[];
  readonly blockTable: number[];
  numComputed: number;
}

/** What one sequence does in a step. */
export interface Move {
  readonly sequence: TestSequence;
  readonly numTokens: number;
  /** Which of the step's tokens of this sequence give logits. Default: the last. */
  readonly logits?: "none" | "last" | "all";
}

/** A loaded model with pages, logits and nothing else. */
export class Stage {
  readonly runner: ModelRunner;
  readonly kv: KvMemory;
  readonly #logits: LogitsMemory;
  readonly #free: number[];
  #step = 0;

  constructor(
    compiled: { readonly dir: string; readonly model: CompiledModel },
    options: {
      readonly numPages?: number;
      readonly numThreads?: number;
      readonly shouldStop?: () => boolean;
    } = {},
  ) {
    const { dir, model } = compiled;
    const numPages = options.numPages ?? 128;
    this.kv = createKvMemory({ ...model, pageSize: PAGE_SIZE, numPages });
    this.#logits = createLogitsMemory(512, model.vocabSize);
    this.#free = Array.from({ length: numPages }, (_, i) => (i * 37) % numPages);
    this.runner = createModelRunner({
      compiledDir: dir,
      model,
      kv: this.kv,
      logits: this.#logits,
      numThreads: options.numThreads ?? 2,
      maxNumBatchedTokens: 64,
      ...(options.shouldStop === undefined ? {} : { shouldStop: options.shouldStop }),
    });
  }

  begin(ids: readonly number[]): TestSequence {
    return { ids: [...ids], blockTable: [], numComputed: 0 };
  }

  /** Gives the pages back. */
  end(sequence: TestSequence): void {
    this.#free.unshift(...sequence.blockTable.splice(0));
    sequence.numComputed = 0;
  }

  /** Computes one step. @returns copies of the logits rows, move after move */
  step(moves: readonly Move[]): Float32Array[] {
    const batch = this.batchOf(moves);
    this.runner.execute(batch);
    for (const { sequence, numTokens } of moves) sequence.numComputed += numTokens;
    return Array.from(batch.logitTokens, (_, row) => logitsRow(this.#logits, row).slice());
  }

  batchOf(moves: readonly Move[]): ExecutionBatch {
    const tokenIds: number[] = [];
    const tokenStarts = [0];
    const blockTables: number[] = [];
    const blockStarts = [0];
    const logitTokens: number[] = [];
    for (const { sequence, numTokens, logits = "last" } of moves) {
      const end = sequence.numComputed + numTokens;
      while (sequence.blockTable.length * PAGE_SIZE < end) sequence.blockTable.push(this.#free.pop()!);
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
