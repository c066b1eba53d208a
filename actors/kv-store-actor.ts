/**
 * Owns the memory that the engine's actors share: KV pages of every rank, logits, and the figures that
 * the scheduler shows. It never reads what
 * lies in them. It comes first among the engine's actors, so that a restart of any other finds its memory in place, and
 * a restart of its own gives every other a fresh one.
 */
import type { TroupeError } from "../src/errors/troupe-error.ts";
import { createKvMemory, type KvLayout } from "../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../src/kv/logits-memory.ts";
import { createPageMap } from "../src/kv/page-map.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import { createStatusBoard } from "../src/scheduling/status-board.ts";
import { createStepTimes } from "../src/scheduling/step-times.ts";
import { type EngineMemory, type KvStoreProtocol, modelAgent } from "./messages.ts";

/** Sizes of everything shared. */
export interface KvStoreArgs {
  /** One layout for each rank. */
  readonly layouts: readonly KvLayout[];
  readonly maxLogitRows: number;
  readonly vocabSize: number;
}

interface KvStoreState {
  readonly memory: EngineMemory;
  /** Names of the agents whose end is waited for. */
  readonly watched: Set<string>;
}

export default defineActor<KvStoreProtocol, KvStoreArgs, KvStoreState>({
  init: (_ctx, args) => ({
    memory: {
      kv: args.layouts.map(createKvMemory),
      logits: createLogitsMemory(args.maxLogitRows, args.vocabSize),
      status: createStatusBoard(),
      stepTimes: createStepTimes(),
      pageMap: createPageMap(args.layouts[0]!.numPages),
    },
    watched: new Set(),
  }),
  handlers: {
    attach({ memory, watched }, _message, ctx) {
      for (const rank of memory.kv.keys()) {
        const agent = modelAgent(rank);
        if (ctx.lookup(agent.actor) === null || watched.has(agent.actor)) continue;
        watched.add(agent.actor);
        ctx.watch(agent);
      }
      return memory;
    },
  },
  onDown({ watched }, { ref, reason }) {
    watched.delete(ref.actor);
    // one that was left alone in native code may still write here: the next engine gets memory of its own
    if (reason.kind === "crash" && isAbandonment(reason.error)) throw reason.error;
  },
});

/** How the runtime says that an actor did not park. */
function isAbandonment({ code, details }: TroupeError): boolean {
  return code === "deadline_exceeded" && "waitedMs" in details;
}
