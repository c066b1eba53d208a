/**
 * The whole configuration as a type. YAML files, flags and programs all give (parts of) this object; schema.ts checks
 * ranges and fills in defaults, so everything below reads plain frozen values.
 */
import type { KvDtype } from "../kv/forms/kv-form.ts";
import type { Precision } from "../model/compiled-model.ts";

/** How a family of models writes tool calls. */
export type ToolParserName = "hermes" | "llama3" | "mistral" | "chatglm3";

/** Which model, and how it is compiled. */
export interface ModelConfig {
  /** A Hugging Face folder. Relative paths count from the configuration file, else the working directory. */
  readonly path: string;
  /** Names that requests may use; empty takes the folder's name. */
  readonly servedNames: readonly string[];
  /** Null takes what a converted folder is in, and fp32 for others. */
  readonly precision: Precision | null;
  /** Where compiled models are kept; null is the user's cache folder. */
  readonly cacheDir: string | null;
  /** Serve token ids alone; the folder needs no tokenizer. */
  readonly skipTokenizerInit: boolean;
  /** How the model writes tool calls; auto looks at its chat template and architecture. */
  readonly toolParser: ToolParserName | "auto" | "none";
}

/**
 * A model that others exported to ONNX, served as it is. Empty and null everywhere: model.path is looked at, which may be
 * a folder of such graphs itself.
 */
export interface GraphsConfig {
  /** Graphs that compute prompts, one file for each rank. Empty takes what lies in model.path. */
  readonly prefill: readonly string[];
  /** Graphs that compute one more token; empty takes the prefill graph for both. */
  readonly decode: readonly string[];
  /** Graph that picks the likeliest token of each row of logits. */
  readonly argmax: string | null;
  /** Graph that picks the best candidates of each row, given a temperature. */
  readonly topk: string | null;
  /** Prompt lengths, prefill batch sizes, decode batch sizes and past lengths that the graphs are run with; empty for any. */
  readonly seqLengths: readonly number[];
  readonly prefillBatchSizes: readonly number[];
  readonly decodeBatchSizes: readonly number[];
  readonly actLengths: readonly number[];
  /** Fills the places behind a prompt. */
  readonly padTokenId: number;
  /** Null reads it from the graph, or config.json. */
  readonly vocabSize: number | null;
  /** End an answer, beside those that the folder's files name. */
  readonly eosTokenIds: readonly number[];
  /** JavaScript or TypeScript module that registers input builders. */
  readonly inputModule: string | null;
  /** Names of registered input builders; extraInputs adds to basicInputs, warmupInputs replaces them at warm-up. */
  readonly basicInputs: string;
  readonly extraInputs: string | null;
  readonly warmupInputs: string | null;
  /** Names of the graphs' inputs and outputs for keys and values, `%d` for the layer; null finds the usual ones. */
  readonly pastKeys: string | null;
  readonly pastValues: string | null;
  readonly presentKeys: string | null;
  readonly presentValues: string | null;
}

/** What becomes of prompts longer than engine.maxPromptTokens. */
export const LONG_PROMPTS = ["refuse", "keepStart", "keepEnd"] as const;
/** One of {@link LONG_PROMPTS}. */
export type LongPrompts = (typeof LONG_PROMPTS)[number];

/** What may share a step, and who goes first where prompts and next tokens may not. */
export const STEP_PHASES = ["mixed", "prefillFirst", "leastWaste"] as const;
/** One of {@link STEP_PHASES}. */
export type StepPhases = (typeof STEP_PHASES)[number];

/** Limits and policies of the engine. */
export interface EngineConfig {
  /** Longest prompt plus answer in tokens; null takes the model's own limit. */
  readonly maxModelLen: number | null;
  /** Longest answer in tokens; a request that asks for more gets this many. Null sets no limit. */
  readonly maxAnswerTokens: number | null;
  /** Longest prompt in tokens; null sets no limit below maxModelLen. */
  readonly maxPromptTokens: number | null;
  /** What becomes of a prompt that is longer: refused, or cut to its first or last tokens. */
  readonly longPrompts: LongPrompts;
  /** Sequences that run at once. */
  readonly maxNumSeqs: number;
  /** Tokens computed in one step, decodes and prefill chunks together. */
  readonly maxNumBatchedTokens: number;
  /** Requests that may wait; the next one is refused with queue_full. */
  readonly maxQueuedRequests: number;
  /** Tokens in a KV page. */
  readonly pageSize: number;
  /** Pages in the pool; null derives it from kvCacheMb. */
  readonly numPages: number | null;
  /** MiB for the KV pool when numPages is null. */
  readonly kvCacheMb: number;
  /** Element type of keys and values in pages. */
  readonly kvDtype: KvDtype;
  readonly prefixCache: boolean;
  readonly policy: "continuous" | "static";
  /** What may share a step: prompts and next tokens, or only one of them. */
  readonly phases: StepPhases;
  /** Prompts computed in one step; null sets no limit. */
  readonly maxPrefillSeqs: number | null;
  /** Tokens of prompts computed in one step; null sets no limit below maxNumBatchedTokens. */
  readonly maxPrefillTokens: number | null;
  /** How long a new request may wait for others to begin with it. */
  readonly prefillDelayMs: number;
  /** With phases leastWaste: what a step of prompts costs each sequence that draws meanwhile. */
  readonly prefillCostMs: number;
  /** With phases leastWaste: what a step costs each slot that stands empty. */
  readonly decodeCostMs: number;
  /** Sequences that may give way in one step when pages run out; null sets no limit. */
  readonly maxPreemptions: number | null;
  /** Tokens that one step may guess ahead, shared evenly by its sequences: with more than that none is guessed. 0 turns it off. */
  readonly maxDraftTokens: number;
  /** Threads of ONNX Runtime in each rank; null shares the cores among all ranks of all replicas. */
  readonly threads: number | null;
  /** Ranks that a model is split over; null takes as many as there are devices, or shards in the folder, else 1. */
  readonly tensorParallel: number | null;
  /** Engines with the same model; each request goes to one of them. */
  readonly dataParallel: number;
  /** One for each rank, replica after replica (see device.ts); empty runs all of them on the CPU. */
  readonly devices: readonly string[];
  /** A rank that others have waited for this long hangs: all ranks start again. */
  readonly rankTimeoutMs: number;
  /** Restarts of the engine's actors within restartWindowMs before it gives up. */
  readonly maxRestarts: number;
  readonly restartWindowMs: number;
  /** A step without a result for this long counts as hanging: it is reported and its model-agent treated as failed. */
  readonly stepTimeoutMs: number;
}

/** The tokenizer pool. */
export interface TokenizerConfig {
  readonly threads: number;
  /** Texts waiting to be tokenized; the next request is refused with queue_full. */
  readonly maxQueued: number;
}

/** Certificates of one listener. */
export interface TlsConfig {
  /** PEM files; with both, the listener speaks https and wss. */
  readonly tlsCertificate: string | null;
  readonly tlsKey: string | null;
  /** PEM file of authorities whose client certificates are accepted; null asks for none. */
  readonly tlsClientCa: string | null;
  /** Whether a client without an accepted certificate is turned away. */
  readonly tlsRequireClientCertificate: boolean;
}

/** A listener beside the server's own; with the same address as another it shares that one's. */
export interface ListenerConfig extends TlsConfig {
  /** Null is server.host. */
  readonly host: string | null;
  /** Null listens nowhere. */
  readonly port: number | null;
}

/** The HTTP and WebSocket server. */
export interface ServerConfig extends TlsConfig {
  readonly host: string;
  readonly port: number;
  /** With any key, here or in the file, every route but the open ones wants one. */
  readonly apiKeys: readonly string[];
  /** One key a line. */
  readonly apiKeyFile: string | null;
  /** Open the routes that load and unload models, and no others; without any, nobody may use those. */
  readonly adminKeys: readonly string[];
  /** Web pages of other origins that may use the server; `*` is every page. */
  readonly allowedOrigins: readonly string[];
  /** Whether those pages may send cookies and client certificates. */
  readonly allowCredentials: boolean;
  /** Whether a request may bring a chat template, which is code that runs on the server. */
  readonly allowRequestTemplates: boolean;
  readonly maxConnections: number;
  /** Null sets no limit for one address. */
  readonly maxConnectionsPerAddress: number | null;
  /** Requests in flight of one API key, without keys of one address; null sets no limit. */
  readonly maxRequestsPerClient: number | null;
  /** How long the head of a request may take to arrive. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to arrive; answers take as long as they like. */
  readonly requestTimeoutMs: number;
  /** How long an HTTP connection may wait for its next request. */
  readonly keepAliveTimeoutMs: number;
  /** How long a client may take nothing of an answer that waits for it; null is for ever. */
  readonly sendTimeoutMs: number | null;
  /** A WebSocket that shows no life for two of these is gone. */
  readonly pingIntervalMs: number;
  /** How long a WebSocket may stay open with nothing to do; null is for ever. */
  readonly socketIdleTimeoutMs: number | null;
  /** A stream of events with nothing to send for this long sends a comment. */
  readonly streamKeepAliveMs: number;
  readonly maxBodyBytes: number;
  readonly maxMessageBytes: number;
  /** Requests one WebSocket may have in flight. */
  readonly maxRequestsPerSocket: number;
  /** Bytes waiting for a slow client before its sequence is paused. */
  readonly maxBufferedBytes: number;
  /** How long a resumable stream waits for a client that lost its connection; also kept that long after its end. */
  readonly resumeWindowMs: number;
  /** Events of one resumable stream that are kept; beyond it the sequence is paused. */
  readonly maxStreamEvents: number;
  /** Memory for stored responses; the oldest make room. */
  readonly maxStoredResponseBytes: number;
  readonly storedResponseTtlMs: number;
  /** How the routes of MindSpore Serving answer: well-formed, or as its release 2.1 or its development branch did. */
  readonly mindsporeReplies: "troupe" | "r2.1" | "dev";
  /** What those routes make of a prompt, with {} in its place; null takes it as it is. */
  readonly mindsporePromptForm: string | null;
  /** MindIE's dialects put one space between a repeated prompt and its answer. */
  readonly mindiePromptSpace: boolean;
  /** Every piece of a stream in MindIE's dialects repeats the text so far. */
  readonly mindieFullText: boolean;
  /** Servers that have the models which this one does not serve; requests for those are forwarded. */
  readonly peers: readonly Peer[];
}

/** Another server, and the model that requests are sent there for. */
export interface Peer {
  /** Address of the server, as http://10.0.0.2:8000. */
  readonly url: string;
  readonly model: string;
}

/** Stopping. */
export interface ShutdownConfig {
  /** How long running requests may go on after SIGTERM. */
  readonly drainMs: number;
}

/** Logging. */
export interface LogConfig {
  readonly level: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
  /** pretty for people, json for machines. */
  readonly format: "pretty" | "json";
  /** Folder for a log of each rank, worker_0.log and so on; null for none. */
  readonly rankDir: string | null;
  /** Whether prompts are written, at level info. */
  readonly prompts: boolean;
}

/** Where a configuration file comes from. */
export interface ConfigOrigin {
  /** The system that the file was written for; null for Troupe's own, or no file. */
  readonly system: string | null;
  /** Dotted paths of keys that the file sets and that do nothing here. */
  readonly noEffect: readonly string[];
}

/** All that can be configured. */
export interface ConfigSections {
  readonly model: ModelConfig;
  readonly graphs: GraphsConfig;
  readonly engine: EngineConfig;
  readonly tokenizer: TokenizerConfig;
  readonly server: ServerConfig;
  /** Where operators ask and stop the server. */
  readonly management: ListenerConfig;
  /** Where Prometheus asks for MindIE's metrics. */
  readonly metrics: ListenerConfig;
  readonly shutdown: ShutdownConfig;
  readonly log: LogConfig;
}

/** What one of several models has to itself. */
export type ModelSections = Pick<ConfigSections, "model" | "graphs" | "engine">;

/** Everything. */
export interface TroupeConfig extends ConfigSections {
  /** Several models in one server; the first one's sections are `model`, `graphs` and `engine`. Empty for a single model. */
  readonly models: readonly ModelSections[];
  readonly origin: ConfigOrigin;
}
