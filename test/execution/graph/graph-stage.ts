/** Drives a graph runner by hand: graphs written to files, opened as a served model's are. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CPU } from "../../../src/config/device.ts";
import { type PartialConfig, parseConfig } from "../../../src/config/load-config.ts";
import { createGraphRunner } from "../../../src/execution/graph/graph-runner.ts";
import type { ModelRunner } from "../../../src/execution/model-runner.ts";
import type { KvDtype } from "../../../src/kv/forms/kv-form.ts";
import { createKvMemory } from "../../../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../../../src/kv/logits-memory.ts";
import type { GraphModel } from "../../../src/model/graphs/graph-model.ts";
import { openGraphs } from "../../../src/model/graphs/open-graphs.ts";
import { PAGE_SIZE, Stage } from "../stage.ts";

/** Files of a model and how it is configured. */
export interface GraphCase {
  /** By name; `prefill` and `decode` name two of them. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly prefill?: string;
  readonly decode?: string;
  readonly graphs?: PartialConfig["graphs"];
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A folder with a case's files. */
export function folderOf({ files, config = { max_position_embeddings: 128 } }: GraphCase): string {
  const dir = mkdtempSync(join(tmpdir(), "troupe-graph-stage-"));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  return dir;
}

/** The model of a case. */
export async function openCase(dir: string, { prefill, decode, graphs }: GraphCase): Promise<GraphModel> {
  const files = {
    ...(prefill && { prefill: [join(dir, prefill)] }),
    ...(decode && { decode: [join(dir, decode)] }),
  };
  const opened = await openGraphs(dir, parseConfig({ graphs: { ...graphs, ...files } }).graphs);
  assert.ok(opened !== null, "the folder has graphs");
  return opened.model;
}

/** A loaded case. */
export interface GraphStage extends Disposable {
  readonly stage: Stage;
  readonly model: GraphModel;
  readonly warnings: string[];
}

export async function graphStage(given: GraphCase, kvDtype: KvDtype = "f32"): Promise<GraphStage> {
  const dir = folderOf(given);
  try {
    const model = await openCase(dir, given);
    const warnings: string[] = [];
    const numPages = 256;
    const kv = createKvMemory({ ...model, kvDtype, pageSize: PAGE_SIZE, numPages });
    const logits = createLogitsMemory(512, model.vocabSize);
    const runner: ModelRunner = await createGraphRunner({
      model,
      kv,
      logits,
      numThreads: 1,
      device: CPU,
      maxNumBatchedTokens: 64,
      maxModelLen: Math.min(128, model.maxPositions),
      shouldStop: () => false,
      warn: (message) => void warnings.push(message),
    });
    runner.warmUp();
    return {
      stage: new Stage({ runner, kv, logits }),
      model,
      warnings,
      [Symbol.dispose]() {
        runner.release();
        rmSync(dir, { recursive: true });
      },
    };
  } catch (error) {
    rmSync(dir, { recursive: true });
    throw error;
  }
}
