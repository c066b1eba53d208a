/**
 * Owns the memory that the engine's actors share: KV pages of every rank, logits, and the figures that
 * the scheduler shows. It never reads what
 * lies in them. It comes first among the engine's actors, so that a restart of any other finds its memory in place, and
 * a restart of its own gives every other a fresh one.
 */
import { createKvMemory, type KvLayout } from "../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../src/kv/logits-memory.ts";
import { createPageMap } from "../src/kv/page-map.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import { createStatusBoard } from "../src/scheduling/status-board.ts";
import { createStepTimes } from "../src/scheduling/step-times.ts";
import type { EngineMemory, KvStoreProtocol } from "./messages.ts";

/** Sizes of everything shared. */
export interface KvStoreArgs {
  /** One layout for each rank. */
  readonly layouts: readonly KvLayout[];
  readonly maxLogitRows: number;
  readonly vocabSize: number;
}

export default defineActor<KvStoreProtocol, KvStoreArgs, EngineMemory>({
  init: (_ctx, args) => ({
    kv: args.layouts.map(createKvMemory),
    logits: createLogitsMemory(args.maxLogitRows, args.vocabSize),
    status: createStatusBoard(),
    stepTimes: createStepTimes(),
    pageMap: createPageMap(args.layouts[0]!.numPages),
  }),
  handlers: {
    attach: (memory) => memory,
  },
});
