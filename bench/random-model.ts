/** Random models to measure with, written once into the system's folder for temporary files. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LlamaShape, TINY_LLAMA, writeRandomCheckpoint } from "./random-checkpoint.ts";

/** A folder for what benchmarks make and use again; safe to delete. */
export const BENCH_FOLDER = join(tmpdir(), "troupe-bench");

/** A checkpoint, and where to compile it into. */
export interface RandomModel {
  readonly shape: LlamaShape;
  readonly modelDir: string;
  readonly cacheDir: string;
}

/** TinyLlama-1.1B's shape, or that with other numbers. */
export function randomModel(given: Partial<LlamaShape> = {}): RandomModel {
  const shape = { ...TINY_LLAMA, ...given };
  const modelDir = join(BENCH_FOLDER, `random-llama-${Object.values(shape).join("-")}`);
  if (!existsSync(modelDir)) {
    const unfinished = `${modelDir}.${process.pid}`;
    rmSync(unfinished, { recursive: true, force: true });
    writeRandomCheckpoint(unfinished, shape);
    renameSync(unfinished, modelDir);
  }
  return { shape, modelDir, cacheDir: join(BENCH_FOLDER, "compiled") };
}

/** Token ids that repeat nowhere: `salt` tells prompts apart from their first token on. */
export function randomPrompt(length: number, salt: number, vocabSize: number): number[] {
  let state = (salt * 2654435761 + 12345) >>> 0;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 3 + ((state >>> 8) % (vocabSize - 3));
  });
}
