/**
 * Text to tokens and back, on a pool of threads. It keeps no request's state: the text of an answer so far travels in and
 * out as a value. One slot is kept free of prompts, so that a crowd of long ones never holds up the running streams.
 */
import { Gate } from "../src/core/gate.ts";
import { siblingModule } from "../src/core/sibling-module.ts";
import { TaskPool } from "../src/hosts/task-pool.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import type { TokenizerPoolProtocol } from "./messages.ts";

/** What is loaded, and how much may wait. */
export interface TokenizerPoolArgs {
  readonly modelDir: string;
  /** A text that is sure to have more is refused unread. */
  readonly maxPromptTokens: number;
  readonly threads: number;
  readonly maxQueued: number;
}

interface TokenizerPoolState {
  readonly pool: TaskPool<typeof import("./tokenizer-worker.ts")>;
  readonly prompts: Gate;
}

/** Encoding runs beside a worker's JavaScript thread, so a worker can take more than one text. */
const TASKS_PER_THREAD = 4;
const NAME = "tokenizer pool";

export default defineActor<TokenizerPoolProtocol, TokenizerPoolArgs, TokenizerPoolState>({
  // the gate bounds what runs
  concurrency: 1024,
  async init(_ctx, { modelDir, maxPromptTokens, threads, maxQueued }) {
    const pool = new TaskPool<typeof import("./tokenizer-worker.ts")>({
      name: NAME,
      module: siblingModule(import.meta.url, "./tokenizer-worker"),
      threads,
      tasksPerThread: TASKS_PER_THREAD,
      maxQueued,
      workerData: { modelDir, maxPromptTokens },
    });
    // a folder that cannot be loaded fails here, not at the first request
    await pool.run("info", null).catch(async (error: unknown) => {
      await pool.close();
      throw error;
    });
    const maxConcurrent = threads * TASKS_PER_THREAD - 1;
    return { pool, prompts: new Gate({ name: NAME, maxConcurrent, maxQueued }) };
  },
  handlers: {
    info: ({ pool }) => pool.run("info", null),
    vocabulary: ({ pool }) => pool.run("vocabulary", null),
    prepare: ({ pool, prompts }, message) => prompts.run(() => pool.run("prepare", message)),
    tokenize: ({ pool, prompts }, message) => prompts.run(() => pool.run("tokenize", message)),
    decode: ({ pool, prompts }, message) => prompts.run(() => pool.run("decode", message)),
    advanceAll: ({ pool }, message) => pool.run("advanceAll", message),
    textLogprobs: ({ pool }, message) => pool.run("textLogprobs", message),
  },
  onStop: ({ pool }) => pool.close(),
});
