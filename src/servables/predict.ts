/** A prediction between the wire and the workers, whichever wire it came over. */
import type { Instance } from "./json-instances.ts";
import type { Failure, InstanceResult } from "./status.ts";

/** What a client asks for. */
export interface PredictRequest {
  readonly servable: string;
  /** 0 is the newest version that runs. */
  readonly version: number;
  readonly method: string;
  readonly instances: readonly Instance[];
}

/** What it gets: a result for each instance in their order, or one failure for all. */
export type PredictOutcome =
  | {
      readonly kind: "results";
      /** Names of the method's outputs, in the order of the results' values. */
      readonly outputs: readonly string[];
      readonly results: readonly InstanceResult[];
    }
  | { readonly kind: "failed"; readonly failure: Failure };

/** Whoever answers requests. */
export interface Predictor {
  /** Never rejects. Aborting takes what has not started yet out of the queue. */
  predict(request: PredictRequest, signal: AbortSignal): Promise<PredictOutcome>;
}
