/**
 * What the engine itself counts: requests, pages, tokens, and its actors. The names are those of vLLM 0.4.0.post1 where it
 * has the metric, so that its dashboards work, and those of later versions where only they have it.
 */
import type { Engine, EngineCounters, EngineStatus } from "../protocol/engine.ts";
import type { ActorInspection } from "../runtime/actor-events.ts";
import { type StepFigures, stepParts } from "../scheduling/step-times.ts";
import type { MetricRegistry } from "./metric-registry.ts";

const ENGINE_STATES = ["starting", "ready", "recovering", "draining", "failed", "stopped"] as const;

/** Name, help and value of each gauge. There is no swap to a second memory here: those gauges stay at 0. */
const GAUGES: readonly (readonly [string, string, (status: EngineStatus) => number])[] = [
  ["vllm:num_requests_running", "Requests that run.", (now) => now.numRunning],
  ["vllm:num_requests_swapped", "Always 0: sequences that give way are recomputed, not swapped.", () => 0],
  ["vllm:num_requests_waiting", "Requests that wait to run.", (now) => now.numWaiting],
  ["vllm:gpu_cache_usage_perc", "Share of KV pages in use; 1 is all of them.", usedShare],
  ["vllm:cpu_cache_usage_perc", "Always 0: there is no second memory for KV pages.", () => 0],
  ["vllm:kv_cache_usage_perc", "The newer name of vllm:gpu_cache_usage_perc.", usedShare],
];

const TOTALS: readonly (readonly [string, string, keyof EngineCounters])[] = [
  ["vllm:prompt_tokens_total", "Prompt tokens computed.", "promptTokens"],
  ["vllm:generation_tokens_total", "Tokens generated.", "generationTokens"],
  ["vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.", "prefixCacheQueries"],
  ["vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", "prefixCacheHits"],
  ["vllm:num_preemptions_total", "Sequences that gave way and were recomputed.", "preemptions"],
  ["vllm:spec_decode_num_draft_tokens_total", "Tokens guessed ahead.", "draftTokens"],
  ["vllm:spec_decode_num_accepted_tokens_total", "Guessed tokens that were right.", "acceptedTokens"],
  ["troupe:engine_steps_total", "Steps of the engine.", "steps"],
  ["troupe:engine_restarts_total", "Restarts of the engine's actors.", "restarts"],
];

const STEP_TOTALS: readonly (readonly [string, string, keyof StepFigures])[] = [
  ["troupe:session_runs_total", "Runs of ONNX Runtime sessions on rank 0.", "numRuns"],
  ["troupe:session_outputs_total", "Tensors that runs gave back, each allocated anew.", "numOutputs"],
  ["troupe:session_output_bytes_total", "Bytes of those tensors.", "outputBytes"],
  ["troupe:kv_gathered_bytes_total", "Bytes of keys and values that attention gathered.", "gatheredBytes"],
];

/** Adds everything that {@link Engine.status} and {@link Engine.inspect} tell. */
export function addEngineMetrics(registry: MetricRegistry, engine: Engine): void {
  for (const [name, help, read] of GAUGES)
    registry.gauge({ name, help }, (report) => report(read(engine.status())));
  for (const [name, help, key] of TOTALS)
    registry.total({ name, help }, (report) => report(engine.status().counters[key]));
  const help = "1 for the state the engine is in, 0 for the others.";
  registry.gauge({ name: "troupe:engine_state", help, labelNames: ["state"] }, (report) => {
    const { state } = engine.status();
    for (const each of ENGINE_STATES) report(each === state ? 1 : 0, { state: each });
  });
  addStepMetrics(registry, engine);
  addActorMetrics(registry, engine);
}

/** Where the time of steps goes, and how much is moved meanwhile: rates of these, over the rate of steps. */
function addStepMetrics(registry: MetricRegistry, engine: Engine): void {
  const time = { name: "troupe:step_seconds_total", help: "Time of steps, by part.", labelNames: ["part"] };
  registry.total(time, (report) => {
    const { totals } = engine.snapshot();
    for (const [part, ms] of stepParts(totals)) report(ms / 1000, { part });
  });
  for (const [name, help, key] of STEP_TOTALS)
    registry.total({ name, help }, (report) => report(engine.snapshot().totals[key]));
}

/** vLLM's description of its cache; it is the one metric without a model's name. */
export function addCacheConfig(registry: MetricRegistry, engine: Engine): void {
  const { kvDtype, kvCache } = engine.info;
  const { pageSize, isPrefixCached } = kvCache;
  const labels = {
    block_size: pageSize,
    cache_dtype: kvDtype,
    enable_prefix_caching: pythonBoolean(isPrefixCached),
    forced_num_gpu_blocks: "None",
    gpu_memory_utilization: "None",
    num_cpu_blocks: 0,
    num_gpu_blocks: engine.status().numPages,
    sliding_window: "None",
    swap_space_bytes: 0,
  };
  const spec = { name: "vllm:cache_config_info", help: "Settings of the KV cache, as labels." };
  registry.gauge({ ...spec, labelNames: Object.keys(labels) }, (report) =>
    report(1, { ...labels, num_gpu_blocks: engine.status().numPages }),
  );
}

/** An actor's mean handler time is the rate of its busy seconds over the rate of its messages. */
function addActorMetrics(registry: MetricRegistry, engine: Engine): void {
  const labelNames = ["actor"];
  const read =
    (value: (actor: ActorInspection) => number) =>
    (report: (value: number, labels: { actor: string }) => void) => {
      for (const actor of engine.inspect().actors) report(value(actor), { actor: actor.name });
    };
  const gauge = (name: string, help: string, value: (actor: ActorInspection) => number): void =>
    registry.gauge({ name, help, labelNames }, read(value));
  const total = (name: string, help: string, value: (actor: ActorInspection) => number): void =>
    registry.total({ name, help, labelNames }, read(value));
  gauge("troupe:actor_up", "1 while the actor runs.", ({ state }) => (state === "running" ? 1 : 0));
  gauge(
    "troupe:actor_mailbox_messages",
    "Messages that wait in its mailbox.",
    ({ mailbox }) => mailbox.numMessages,
  );
  gauge("troupe:actor_mailbox_bytes", "Bytes that wait in its mailbox.", ({ mailbox }) => mailbox.numBytes);
  total(
    "troupe:actor_messages_total",
    "Messages handled since its last start.",
    ({ numHandled }) => numHandled,
  );
  total(
    "troupe:actor_handler_seconds_total",
    "Time with a handler running, awaits included, since its last start.",
    ({ busyMs }) => busyMs / 1000,
  );
  total("troupe:actor_restarts_total", "Times it was started again.", ({ numRestarts }) => numRestarts);
}

function usedShare(status: EngineStatus): number {
  return status.numPages === 0 ? 0 : (status.numPages - status.numFreePages) / status.numPages;
}

/** As vLLM's labels spell it. */
function pythonBoolean(value: boolean): string {
  return value ? "True" : "False";
}
