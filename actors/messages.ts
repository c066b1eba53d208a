/**
 * What the actors of the cast say to each other: one protocol an actor, and their fixed references. `epoch` is the
 * scheduler's incarnation: whatever belongs to an earlier one is dropped on arrival.
 */
import type { PromptCut } from "../src/core/cut-ids.ts";
import type { AllGatherMemory } from "../src/execution/all-gather.ts";
import type { KvMemory } from "../src/kv/kv-memory.ts";
import type { LogitsMemory } from "../src/kv/logits-memory.ts";
import type {
  GenerateRequest,
  GenerationEvent,
  Prompt,
  TextLogprobs,
  Tokenized,
} from "../src/protocol/engine.ts";
import { type ActorRef, actorRef } from "../src/runtime/actor-types.ts";
import type { TokenBytes } from "../src/sampling/grammar/token-trie.ts";
import type { PositionLogprobs } from "../src/sampling/sampling-params.ts";
import type {
  EngineRequest,
  ExecutionBatch,
  SamplingBatch,
  StepOutput,
  StepResult,
} from "../src/scheduling/step-plan.ts";
import type { ExecuteWork, StepParts } from "../src/scheduling/step-times.ts";
import type { TextParams } from "../src/text/output-stream.ts";
import type { AdvanceItem, AdvanceResult, PreparedPrompt, TextModelInfo } from "../src/text/text-model.ts";

/** The memory that the engine's actors share. */
export interface EngineMemory {
  /** One for each rank. */
  readonly kv: readonly KvMemory[];
  readonly logits: LogitsMemory;
  /** See status-board.ts. */
  readonly status: SharedArrayBuffer;
  /** See step-times.ts. */
  readonly stepTimes: SharedArrayBuffer;
  /** See page-map.ts; all ranks have the same pages. */
  readonly pageMap: SharedArrayBuffer;
}

/** Creates the shared memory and hands it out. */
export type KvStoreProtocol = {
  attach: { message: null; reply: EngineMemory };
};

/** Holds the memory in which ranks add up; a restart of the ranks gets fresh memory. */
export type AllGatherProtocol = {
  attach: { message: null; reply: AllGatherMemory };
};

/** Decides what every step computes. */
export type SchedulerProtocol = {
  /** Rejects with queue_full, prompt_too_long or invalid_request. */
  submit: { message: EngineRequest; reply: null };
  /** A whole request, or one of its answers. */
  cancel: { message: { requestId: string; index: number | null } };
  pause: { message: { requestId: string } };
  resume: { message: { requestId: string } };
  sampled: { message: { epoch: number; result: StepResult; parts: StepParts } };
};

/** What the edge needs of whoever it submits to: the scheduler, or an actor that stands before it. */
export type AdmissionProtocol = Pick<SchedulerProtocol, "submit">;

/** Runs one rank's sessions. */
export type ModelAgentProtocol = {
  /** Answered once the rank can run. */
  loaded: { message: null; reply: null };
  execute: { message: { epoch: number; batch: ExecutionBatch } };
};

/** What a step came to on rank 0. */
export type ModelWork = ExecuteWork & Pick<StepParts, "executeMs">;

/** Draws tokens from logits. */
export type SamplerProtocol = {
  plan: { message: { epoch: number; batch: SamplingBatch } };
  /** The logits of a step lie in shared memory, those of every rank. */
  logits: { message: { epoch: number; step: number; work: ModelWork } };
};

/** Owns the client's side of every request. */
export type EdgeProtocol = {
  generate: { message: GenerateRequest; item: GenerationEvent };
  /** A scheduler has started and takes requests. */
  schedulerReady: { message: { epoch: number } };
  /** `stepMs` is how long ago the step was planned. */
  stepDone: { message: { epoch: number; output: StepOutput; stepMs: number } };
  /** Takes no new requests from now on; yields how many are left whenever that changes, and ends at none. */
  drain: { message: null; item: number };
  /** Fails the requests that are left. */
  cut: { message: null };
};

/** Runs the tokenizer on its pool of threads. */
export type TokenizerPoolProtocol = {
  info: { message: null; reply: TextModelInfo };
  /** Bytes of every token, in shared memory. */
  vocabulary: { message: null; reply: TokenBytes };
  /** All that a new request needs from the text side. */
  prepare: {
    message: { prompt: Prompt; params: TextParams; cuts: readonly PromptCut[] };
    reply: PreparedPrompt;
  };
  tokenize: { message: Exclude<Prompt, { kind: "ids" }>; reply: Tokenized };
  decode: { message: { ids: readonly number[]; skipSpecialTokens: boolean }; reply: string };
  /** One step's tokens of many answers. */
  advanceAll: { message: readonly AdvanceItem[]; reply: AdvanceResult[][] };
  textLogprobs: {
    message: readonly (PositionLogprobs | null)[];
    reply: (TextLogprobs | null)[];
  };
};

export const KV_STORE: ActorRef<KvStoreProtocol> = actorRef("kv-store");
export const ALL_GATHER: ActorRef<AllGatherProtocol> = actorRef("all-gather");
export const SCHEDULER: ActorRef<SchedulerProtocol> = actorRef("scheduler");
export const SAMPLER: ActorRef<SamplerProtocol> = actorRef("sampler");
export const EDGE: ActorRef<EdgeProtocol> = actorRef("edge");
export const TOKENIZER_POOL: ActorRef<TokenizerPoolProtocol> = actorRef("tokenizer-pool");

const MODEL_AGENT = "model-agent-";

/** All of the cast start at once; one that waits for another in its init waits this long, as long as an init may take. */
export const START_DEADLINE_MS = 600_000;

/** Whether that is the name of an actor of the cast. */
export function isCastActor(name: string): boolean {
  const fixed = [KV_STORE, ALL_GATHER, SCHEDULER, SAMPLER, EDGE, TOKENIZER_POOL];
  return fixed.some(({ actor }) => actor === name) || name.startsWith(MODEL_AGENT);
}

/** The agent of one rank. */
export function modelAgent(rank: number): ActorRef<ModelAgentProtocol> {
  return actorRef(`${MODEL_AGENT}${rank}`);
}
