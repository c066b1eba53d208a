/** Static batching: requests enter together, and the next ones when every member of the batch is done. */
import type { AdmissionPolicy } from "./admission-policy.ts";

/** A paused member does not hold the others up: the next batch starts without it, and it rejoins when resumed. */
export const staticPolicy: AdmissionPolicy = {
  mayAdmit: (numUnfinished) => numUnfinished === 0,
  admitsBeyondBudget: true,
};
