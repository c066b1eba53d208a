/** What a worker says about the servable it has loaded. */
import type { ModelPort } from "./model-batch.ts";

/** A method as clients call it. */
export interface MethodInfo {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** A model of a servable. */
export interface ModelInfo {
  readonly name: string;
  /** The most instances of one run. */
  readonly batchSize: number;
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
}

/** A servable that is loaded. */
export interface ServableInfo {
  readonly name: string;
  readonly version: number;
  readonly methods: readonly MethodInfo[];
  readonly models: readonly ModelInfo[];
  /** The largest of its models'; 1 without models. */
  readonly batchSize: number;
}
