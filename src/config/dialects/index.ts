/** The systems whose configuration files are read beside Troupe's own. */
import { brVllm } from "./br-vllm.ts";
import type { ConfigDialect, FileSections } from "./config-dialect.ts";
import { mindformers } from "./mindformers.ts";
import { mindie } from "./mindie.ts";
import { mindsporeServing } from "./mindspore-serving.ts";

const DIALECTS: readonly ConfigDialect[] = [brVllm, mindie, mindsporeServing, mindformers];

/** The system that a file was written for; null for Troupe's own. */
export function recogniseDialect(file: FileSections): ConfigDialect | null {
  return DIALECTS.find((dialect) => dialect.recognises(file)) ?? null;
}
