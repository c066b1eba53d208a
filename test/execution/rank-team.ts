/** The ranks of a model on threads of their own, driven by hand: a step of a RankTeam is a step of every rank. */
import { Worker } from "node:worker_threads";
import { type AllGatherMemory, createAllGatherMemory } from "../../src/execution/all-gather.ts";
import { createKvMemory, type KvMemory } from "../../src/kv/kv-memory.ts";
import { createLogitsMemory, type LogitsMemory } from "../../src/kv/logits-memory.ts";
import { type CompileResult, compileModel } from "../../src/model/compile/compile-model.ts";
import type { Precision } from "../../src/model/compiled-model.ts";
import type { ExecutionBatch } from "../../src/scheduling/step-plan.ts";
import { PAGE_SIZE } from "./stage.ts";

/** Everything that the ranks of one model work with. */
export interface RankSetup {
  readonly compiled: readonly CompileResult[];
  readonly kv: readonly KvMemory[];
  readonly logits: LogitsMemory;
  readonly allGather: AllGatherMemory;
}

/** What a rank's thread is told. */
export type RankJob =
  | { readonly kind: "load"; readonly setup: RankSetup }
  | { readonly kind: "execute" | "chain"; readonly batch: ExecutionBatch }
  | { readonly kind: "end" };

interface Answer {
  readonly value: unknown;
  readonly failure?: { readonly code?: string; readonly message: string };
}

const NUM_PAGES = 256;
const MAX_LOGIT_ROWS = 64;
const MAX_TOKENS = 256;

/** Threads that stay while models come and go. */
export class RankTeam implements AsyncDisposable {
  readonly #workers: readonly Worker[];

  constructor(numRanks: number) {
    const url = new URL("./rank-team-worker.ts", import.meta.url);
    this.#workers = Array.from({ length: numRanks }, (_, rank) => new Worker(url, { workerData: { rank } }));
  }

  /** Compiles and loads one rank's part on each thread. */
  async load(modelDir: string, precision: Precision, cacheDir: string): Promise<RankSetup> {
    const numRanks = this.#workers.length;
    const compiled: CompileResult[] = [];
    for (let rank = 0; rank < numRanks; rank++) {
      compiled.push(await compileModel({ modelDir, precision, cacheDir, place: { rank, size: numRanks } }));
    }
    const { vocabSize, part } = compiled[0]!.model;
    const setup = {
      compiled,
      kv: compiled.map(({ model }) =>
        createKvMemory({ ...model, kvDtype: "f32", pageSize: PAGE_SIZE, numPages: NUM_PAGES }),
      ),
      logits: createLogitsMemory(MAX_LOGIT_ROWS, vocabSize),
      allGather: createAllGatherMemory(numRanks, MAX_TOKENS * part!.gatheredWidth),
    };
    await this.tellAll({ kind: "load", setup });
    return setup;
  }

  /** Every rank's answer to the same job; rejects with the first failure, when all have answered. */
  async tellAll(job: RankJob): Promise<unknown[]> {
    const answers = this.#workers.map(
      (worker) => new Promise<Answer>((resolve) => worker.once("message", resolve)),
    );
    for (const worker of this.#workers) worker.postMessage(job);
    return (await Promise.all(answers)).map(({ value, failure }) => {
      if (failure !== undefined) throw Object.assign(new Error(failure.message), failure);
      return value;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
    await this.tellAll({ kind: "end" });
    await Promise.all(ended);
  }
}
