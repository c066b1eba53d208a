/** What the commands need from the rest of Troupe, as interfaces: real-services.ts gives the real ones, tests give their own. */
import type { TroupeConfig } from "../config/config.ts";
import type { Precision } from "../model/compiled-model.ts";
import type { Engine } from "../protocol/engine.ts";

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
  /** The port it listens on; differs from the configured one when that was 0. */
  readonly port: number;
  /** Ends every connection. */
  close(): Promise<void>;
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
  readonly precision: Precision;
  readonly cacheDir: string | null;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** What a model folder holds. */
export interface ModelSummary {
  readonly folder: string;
  readonly architecture: string;
  /** Null when it can be served; else why not. */
  readonly unsupported: string | null;
  readonly numParameters: number;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  /** Bytes of the checkpoint's files. */
  readonly checkpointBytes: number;
  /** Approximate bytes of the weights in memory, by precision. */
  readonly precisionBytes: Readonly<Record<Precision, number>>;
  /** Bytes of keys and values for one token, all layers. */
  readonly kvBytesPerToken: number;
  readonly hasTokenizer: boolean;
  readonly hasChatTemplate: boolean;
}

/** The rest of Troupe. Every method rejects with a TroupeError. */
export interface Services {
  startEngine(config: TroupeConfig, onProgress: OnProgress): Promise<Engine>;
  startServer(engine: Engine, config: TroupeConfig, version: string): Promise<RunningServer>;
  compile(request: CompileRequest): Promise<CompiledFolder>;
  inspect(modelDir: string): Promise<ModelSummary>;
}
