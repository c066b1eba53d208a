/** Continuous batching: a request enters as soon as there is room, and leaves when it is done. */
import type { AdmissionPolicy } from "./admission-policy.ts";

/** Source: Yu et al., Orca (OSDI 2022), iteration-level scheduling. */
export const continuousPolicy: AdmissionPolicy = {
  mayAdmit: () => true,
  // entering later means finding what earlier requests have put into the prefix cache by then
  admitsBeyondBudget: false,
};
