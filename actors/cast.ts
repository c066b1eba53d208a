/**
 * The supervision tree of one engine, as data; read this first.
 *
 *     troupe (one-for-one)
 *     ├── tokenizer-pool    inline   encodes, decodes, renders templates, on threads of its own
 *     └── engine (rest-for-one)      whoever fails takes those after it along; the edge submits its requests again
 *         ├── edge          inline   the client's side of every request
 *         ├── kv-store      inline   the shared memory
 *         ├── ranks (as one)         a rank that fails takes the others along, and then the engine goes on as above
 *         │   ├── all-gather    inline   the memory they add up in; not with a single rank
 *         │   └── model-agent-N thread   one for each rank
 *         ├── sampler       thread
 *         └── scheduler     thread
 */
import { siblingModule } from "../src/core/sibling-module.ts";
import type { SupervisorSpec } from "../src/runtime/supervisor-spec.ts";
import type { AllGatherArgs } from "./all-gather-actor.ts";
import type { EdgeArgs } from "./edge-actor.ts";
import type { KvStoreArgs } from "./kv-store-actor.ts";
import { ALL_GATHER, EDGE, KV_STORE, modelAgent, SAMPLER, SCHEDULER, TOKENIZER_POOL } from "./messages.ts";
import type { ModelAgentArgs } from "./model-agent.ts";
import type { SamplerArgs } from "./sampler-actor.ts";
import type { SchedulerArgs } from "./scheduler-actor.ts";
import type { TokenizerPoolArgs } from "./tokenizer-pool-actor.ts";

/** What each actor is started with. */
export interface CastArgs {
  /** Null serves token ids alone. */
  readonly tokenizerPool: TokenizerPoolArgs | null;
  readonly edge: EdgeArgs;
  readonly kvStore: KvStoreArgs;
  /** Null for a single rank. */
  readonly allGather: AllGatherArgs | null;
  /** One for each rank. */
  readonly modelAgents: readonly ModelAgentArgs[];
  readonly sampler: SamplerArgs;
  readonly scheduler: SchedulerArgs;
  readonly restarts: { readonly maxRestarts: number; readonly windowMs: number };
}

/** The supervisor of the whole cast. */
export const CAST = "troupe";

/** The supervisor of everything that generates. */
export const ENGINE = "engine";

const RESTART_BACKOFF = { minMs: 50, maxMs: 5_000, jitter: 0.2 };

const module = (name: string): URL => siblingModule(import.meta.url, `./${name}`);

/** The tree for `args`. */
export function cast(args: CastArgs): SupervisorSpec {
  return {
    kind: "supervisor",
    name: CAST,
    strategy: "one-for-one",
    intensity: args.restarts,
    backoff: RESTART_BACKOFF,
    // most of a start is the model's: the threads of the others and the tokenizer come up beside it
    start: "together",
    children: [
      ...(args.tokenizerPool === null
        ? []
        : [{ name: TOKENIZER_POOL.actor, module: module("tokenizer-pool-actor"), args: args.tokenizerPool }]),
      {
        kind: "supervisor",
        name: ENGINE,
        strategy: "rest-for-one",
        // an engine that spent its budget stays down; its clients are told
        restart: "temporary",
        intensity: args.restarts,
        backoff: RESTART_BACKOFF,
        start: "together",
        children: [
          { name: EDGE.actor, module: module("edge-actor"), args: args.edge },
          { name: KV_STORE.actor, module: module("kv-store-actor"), args: args.kvStore },
          ranks(args),
          { name: SAMPLER.actor, module: module("sampler-actor"), host: "thread", args: args.sampler },
          { name: SCHEDULER.actor, module: module("scheduler-actor"), host: "thread", args: args.scheduler },
        ],
      },
    ],
  };
}

/** Spends its budget at once, so that the engine, not this supervisor, restarts: with the ranks goes what depends on them. */
function ranks({ allGather, modelAgents }: CastArgs): SupervisorSpec {
  return {
    kind: "supervisor",
    name: "ranks",
    strategy: "one-for-all",
    intensity: { maxRestarts: 0, windowMs: 1 },
    start: "together",
    children: [
      ...(allGather === null
        ? []
        : [{ name: ALL_GATHER.actor, module: module("all-gather-actor"), args: allGather }]),
      ...modelAgents.map((agent) => ({
        name: modelAgent(agent.rank).actor,
        module: module("model-agent"),
        host: "thread",
        args: agent,
      })),
    ],
  };
}
