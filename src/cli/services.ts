/** What the commands need from the rest of Troupe, as interfaces: real-services.ts gives the real ones, tests give their own. */
import type { RunningServables, ServablesOptions } from "../../actors/servables.ts";
import type { LogConfig, TroupeConfig } from "../config/config.ts";
import type { KvDtype } from "../kv/forms/kv-form.ts";
import type { Precision } from "../model/compiled-model.ts";
import type { RankPlace } from "../model/tensor-parallel/tensor-cut.ts";
import type { WeightPrecision } from "../model/weights-manifest.ts";
import type { Engine } from "../protocol/engine.ts";
import type { ModelRegistry } from "../serving/model-registry.ts";

/** Work under way: `done` of `total` steps, and which one. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly label: string;
}

/** Called as work goes on. */
export type OnProgress = (progress: Progress) => void;

/** A server that listens. */
export interface RunningServer {
  /** `http://127.0.0.1:8000`, as a client on this machine would write it. */
  readonly url: string;
  /** The addresses of the other planes; null where the configuration has none. */
  readonly management: string | null;
  readonly metrics: string | null;
  /** Resolves when an operator asks over HTTP that it stop. */
  readonly stopRequested: Promise<"drain" | "force">;
  /** Stops intake, lets requests in flight end until the deadline, then ends every connection. */
  close(options: { readonly drainMs: number }): Promise<void>;
}

/** What else starting an engine can be given. */
export interface EngineOptions {
  /** Ends the compilation of its model. */
  readonly signal?: AbortSignal;
  /** Name that its actors' log records carry; for one of several models. */
  readonly model?: string;
}

/** One model in one precision, ready in the cache. */
export interface CompiledFolder {
  readonly folder: string;
  readonly weightBytes: number;
  /** False when the cache had it already. */
  readonly wasCompiled: boolean;
}

/** What to compile. */
export interface CompileRequest {
  readonly modelDir: string;
  /** Null takes what a converted folder is in, and fp32 for others. */
  readonly precision: Precision | null;
  readonly cacheDir: string | null;
  /** Only what this rank computes; the whole model when absent. */
  readonly place?: RankPlace;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** What to export. */
export interface ExportRequest {
  readonly modelDir: string;
  readonly outputDir: string;
  /** Null takes what a converted folder is in, and fp32 for others. */
  readonly precision: Precision | null;
  /** Null takes the model's own limit. */
  readonly maxModelLen: number | null;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** Graphs that were written. */
export interface ExportedFolder {
  readonly folder: string;
  readonly weightBytes: number;
}

/** Weights to be written anew, in another form. */
export interface WeightsRequest {
  readonly modelDir: string;
  readonly outputDir: string;
  readonly cacheDir: string | null;
  readonly work:
    | { readonly kind: "convert"; readonly precision: WeightPrecision }
    /** Whole or split before, for so many ranks or by a strategy file. */
    | { readonly kind: "split"; readonly strategy: { readonly size: number } | { readonly file: string } }
    | { readonly kind: "merge" };
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** Weights that were written. */
export interface WrittenWeights {
  readonly folder: string;
  readonly weightBytes: number;
  /** False when an earlier run had done all of it. */
  readonly wasWritten: boolean;
  /** After a merge: whether the files are those that were split, to the byte. Null after other work. */
  readonly isIdentical: boolean | null;
}

/** What a model folder holds. */
export interface ModelSummary {
  readonly folder: string;
  readonly architecture: string;
  /** Bytes of the checkpoint's files. */
  readonly checkpointBytes: number;
  readonly hasTokenizer: boolean;
  readonly hasChatTemplate: boolean;
  /** Why it cannot be served; null when it can. */
  readonly unsupported: string | null;
  /** Null when it cannot be served, or is run as it is. */
  readonly sizes: ModelSizes | null;
  /** Of a model that others exported to ONNX; absent for others. */
  readonly graphs?: GraphSizes;
}

/** What is known of a model that is run as it is. */
export interface GraphSizes {
  /** Paths of its graphs: one for all, or one for prompts and one for single tokens. */
  readonly files: readonly string[];
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  /** Bytes of keys and values for one token, all layers, by element type. */
  readonly kvBytesPerToken: Readonly<Record<KvDtype, number>>;
}

/** The sizes of a model that can be served. */
export interface ModelSizes {
  readonly numParameters: number;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  /** Bytes of the weights as compiled, by precision: all that the folder can be compiled to. */
  readonly precisionBytes: Readonly<Partial<Record<Precision, number>>>;
  /** Bytes of keys and values for one token, all layers, by element type. */
  readonly kvBytesPerToken: Readonly<Record<KvDtype, number>>;
}

/** The rest of Troupe. Every method rejects with a TroupeError. */
export interface Services {
  /** Fails when the server could not listen there, or its files of keys and certificates are of no use. */
  checkAddress(config: TroupeConfig): Promise<void>;
  startEngine(config: TroupeConfig, onProgress: OnProgress, options?: EngineOptions): Promise<Engine>;
  startServer(models: ModelRegistry, config: TroupeConfig, version: string): Promise<RunningServer>;
  startServables(options: ServablesOptions, log: LogConfig): Promise<RunningServables>;
  compile(request: CompileRequest): Promise<CompiledFolder>;
  inspect(modelDir: string): Promise<ModelSummary>;
  exportModel(request: ExportRequest): Promise<ExportedFolder>;
  writeWeights(request: WeightsRequest): Promise<WrittenWeights>;
  /** The text of the strategy file that splitting for so many ranks follows. */
  planStrategy(modelDir: string, size: number): Promise<string>;
  /** Whether a folder is split into shards. */
  isSplit(modelDir: string): Promise<boolean>;
}
