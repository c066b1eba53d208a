/** How a prediction went, in the numbers of MindSpore Serving, and what one instance of it gave. */
import type { ErrorCode } from "../errors/error-codes.ts";
import { toTroupeError } from "../errors/troupe-error.ts";
import type { Value } from "./tensor.ts";

/** MindSpore Serving's status codes. */
export const STATUS = {
  success: 0,
  failed: 1,
  invalidInputs: 2,
  systemError: 3,
  workerUnavailable: 4,
  servableUnavailable: 5,
} as const;

/** A status that is no success. */
export type FailureCode = Exclude<(typeof STATUS)[keyof typeof STATUS], 0>;

/** Why a request, or one instance of it, has no outputs. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
}

/** What one instance gave: a value for each output of the method, in its order. */
export type InstanceResult =
  | { readonly kind: "outputs"; readonly values: readonly Value[] }
  | { readonly kind: "failed"; readonly failure: Failure };

/** Shorthand for an instance that failed. */
export function failed(code: FailureCode, message: string): InstanceResult {
  return { kind: "failed", failure: { code, message } };
}

/** The code of ours that says the same to a caller as a status does. */
export const ERROR_CODE_OF: Readonly<Record<FailureCode, ErrorCode>> = {
  [STATUS.failed]: "engine_failed",
  [STATUS.invalidInputs]: "invalid_request",
  [STATUS.systemError]: "engine_failed",
  [STATUS.workerUnavailable]: "actor_down",
  [STATUS.servableUnavailable]: "not_ready",
};

/** The failure that anything thrown on the way amounts to. */
export function failureOf(thrown: unknown): Failure {
  const { code, message } = toTroupeError(thrown);
  switch (code) {
    case "invalid_request":
    case "invalid_json":
      return { code: STATUS.invalidInputs, message };
    case "actor_down":
    case "actor_not_found":
    case "system_stopped":
      return { code: STATUS.workerUnavailable, message };
    case "not_ready":
      return { code: STATUS.servableUnavailable, message };
    case "queue_full":
      return { code: STATUS.failed, message };
    default:
      return { code: STATUS.systemError, message };
  }
}
