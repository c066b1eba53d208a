/** GGUF files of random models, written once into the folder for what benchmarks make. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { LlamaShape } from "../random-checkpoint.ts";
import { BENCH_FOLDER } from "../random-model.ts";
import { type GgufPrecision, writeGguf } from "./gguf.ts";

/** Where the file of a shape lies; written if need be. */
export function ggufFile(shape: LlamaShape, precision: string): string {
  const file = join(BENCH_FOLDER, `random-llama-${Object.values(shape).join("-")}.${precision}.gguf`);
  if (!existsSync(file)) {
    mkdirSync(BENCH_FOLDER, { recursive: true });
    writeGguf(`${file}.${process.pid}`, shape, precision as GgufPrecision);
    renameSync(`${file}.${process.pid}`, file);
  }
  return file;
}
