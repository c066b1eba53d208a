/** When new requests may join those that run: the one difference between continuous and static batching. */
import { continuousPolicy } from "./continuous-policy.ts";
import { staticPolicy } from "./static-policy.ts";

/** Asked once a step. Sequences that ran before and gave way may always come back. */
export interface AdmissionPolicy {
  /** @param numUnfinished sequences that have entered and are neither finished nor paused */
  mayAdmit(numUnfinished: number): boolean;
  /** New requests enter even when this step has no tokens left for them. */
  readonly admitsBeyondBudget: boolean;
}

/** The policies by their names in the configuration. */
export const ADMISSION_POLICIES = {
  continuous: continuousPolicy,
  static: staticPolicy,
} as const satisfies Record<string, AdmissionPolicy>;
