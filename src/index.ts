/** The public API of Troupe. */

// An engine: starting it, asking it for text.
export { startEngine } from "../actors/engine.ts";
export type { StartEngineOptions } from "../actors/start-cast.ts";
export type {
  ChatMessage,
  Engine,
  EngineCounters,
  EngineSnapshot,
  EngineStatus,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  ModelInfo,
  Prompt,
  TextLogprobs,
  Tokenized,
  Usage,
} from "./protocol/engine.ts";

// How tokens are chosen.
export { createSamplingParams } from "./sampling/create-sampling-params.ts";
export { compileGrammar } from "./sampling/grammar/compile-grammar.ts";
export type { Grammar } from "./sampling/grammar/grammar.ts";
export type { GrammarSpec } from "./sampling/grammar/grammar-spec.ts";
export type { PositionLogprobs, SamplingParams, TokenLogprob } from "./sampling/sampling-params.ts";

// Configuration.
export type { TroupeConfig } from "./config/config.ts";
export { loadConfig, parseConfig } from "./config/load-config.ts";
export { PRECISION_NAMES, type PrecisionName } from "./config/precision-names.ts";
export { KV_DTYPES, type KvDtype } from "./kv/forms/kv-form.ts";

// Offline use with the calls of MindSpore Lite's inference and of br-vllm-serving.
export { InferConfig, type InferConfigFields } from "./offline/infer-config.ts";
export { InferTask } from "./offline/infer-task.ts";
export {
  type CompletionOutput,
  LLM,
  type LlmOptions,
  type LlmSamplingParams,
  type RequestOutput,
} from "./offline/llm.ts";
export { type PipelineOptions, pipeline } from "./offline/pipeline.ts";
export type { TextGenerationOptions } from "./offline/continue-texts.ts";
export type { TextGenerationPipeline } from "./offline/text-generation.ts";
export { TextIteratorStreamer, type TextStreamer } from "./offline/text-streamer.ts";

// Serving an engine over HTTP and WebSocket.
export { createServer } from "./serving/create-server.ts";
export { createLogger } from "./serving/logger.ts";
export { type LoadPlan, type ModelEntry, ModelRegistry } from "./serving/model-registry.ts";

// Servables: ONNX models with stages around them, over REST and gRPC.
export {
  type RunningServables,
  type ServableSource,
  type ServablesOptions,
  startServables,
} from "../actors/servables.ts";
export {
  defineServable,
  type FunctionStage,
  type MethodDefinition,
  type ModelDeclaration,
  type ModelHandle,
  type ModelStage,
  type ServableDefinition,
  type StageContext,
  type StageFunction,
} from "./servables/servable-definition.ts";
export type { MethodInfo, ServableInfo } from "./servables/servable-info.ts";
export { type Tensor, type TensorElements, tensor, type Value } from "./servables/tensor.ts";
export type { TensorData, TensorType } from "./servables/tensor-types.ts";
export type { ValueLike } from "./servables/value-from.ts";
export {
  type InferOptions,
  type InferResult,
  ServableClient,
  type ServableClientOptions,
} from "./serving/servables/servable-client.ts";
export type { ServableTls } from "./serving/servables/servable-tls.ts";

// Compiling models; weights in other precisions, and cut for several ranks.
export { compileModel } from "./model/compile/compile-model.ts";
export { type CompiledModel, PRECISIONS, type Precision } from "./model/compiled-model.ts";
export { type ConvertOptions, convertWeights } from "./model/convert/convert-weights.ts";
export { type MergeResult, mergeWeights } from "./model/convert/merge-weights.ts";
export { planStrategy, type SplitOptions, splitWeights } from "./model/convert/split-weights.ts";
export type { WeightsJob, WeightsResult } from "./model/convert/weights-job.ts";
export { WEIGHT_PRECISIONS, type WeightPrecision } from "./model/weights-manifest.ts";

// Models as ONNX graphs: writing them, and the inputs of those that others wrote.
export {
  type BuiltInputs,
  defineInputBuilders,
  type GraphRow,
  type GraphStep,
  type InputBuilder,
  type InputBuilders,
  type InputTensor,
} from "./execution/graph/input-builder.ts";
export { type ExportOptions, type ExportResult, exportModel } from "./model/export/export-model.ts";

// Actors of your own.
export { createActorSystem } from "./hosts/create-actor-system.ts";
export {
  type ActorContext,
  type ActorDefinition,
  type Call,
  defineActor,
} from "./runtime/actor-definition.ts";
export type {
  ActorInspection,
  DeadLetterReason,
  SystemEvents,
  SystemInspection,
} from "./runtime/actor-events.ts";
export type { ActorSystem } from "./runtime/actor-system.ts";
export type { ActorSystemOptions, SpawnOptions } from "./runtime/actor-system-options.ts";
export {
  type ActorRef,
  type AnyActorRef,
  type AskOptions,
  actorRef,
  type Down,
  type DownReason,
  type GroupChange,
  type LogLevel,
  type LogRecord,
  type LogSink,
  type Messenger,
  type Protocol,
  type Registry,
  type StreamOptions,
  type TellOptions,
  type Watch,
} from "./runtime/actor-types.ts";
export type {
  ActorSpec,
  ChildSpec,
  MailboxSpec,
  RestartBackoff,
  RestartIntensity,
  RestartKind,
  SupervisionStrategy,
  SupervisorSpec,
} from "./runtime/supervisor-spec.ts";
export {
  TRACE_CHANNELS,
  type TracedHandling,
  type TracedSend,
  type TracedSettling,
} from "./runtime/trace-channels.ts";

// The cast, for actors of your own that talk to it.
export {
  type AdmissionProtocol,
  EDGE,
  type EdgeProtocol,
  SCHEDULER,
  type SchedulerProtocol,
  TOKENIZER_POOL,
  type TokenizerPoolProtocol,
} from "../actors/messages.ts";
export type { EngineRequest } from "./scheduling/step-plan.ts";

// Errors.
export { ERROR_CODES, type ErrorCode, type ErrorCodeInfo } from "./errors/error-codes.ts";
export { TroupeError, type TroupeErrorOptions } from "./errors/troupe-error.ts";

// Clocks, for tests of your own.
export { type Clock, systemClock } from "./core/clock.ts";
export { ManualClock } from "./core/manual-clock.ts";
