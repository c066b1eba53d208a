/**
 * Owns the memory that the engine's actors share: KV pages of every rank, logits, status figures. It never reads what
 * lies in them. It comes first among the engine's actors, so that a restart of any other finds its memory in place, and
 * a restart of its own gives every other a fresh one.
 */
import { createKvMemory, type KvLayout } from "../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../src/kv/logits-memory.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import { createStatusBoard } from "../src/scheduling/status-board.ts";
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
  }),
  handlers: {
    attach: (memory) => memory,
  },
});
