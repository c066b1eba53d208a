/** Requests as work of the server: refused while it stops, cut when the time to finish is over. */
import type { TroupeError } from "../../errors/troupe-error.ts";
import type { PredictOutcome, Predictor, PredictRequest } from "../../servables/predict.ts";
import { failureOf } from "../../servables/status.ts";
import type { ActiveWork, Admission } from "../active-work.ts";

/** A predictor that counts what it passes on. */
export class WorkPredictor implements Predictor {
  readonly #predictor: Predictor;
  readonly #work: ActiveWork;

  constructor(predictor: Predictor, work: ActiveWork) {
    this.#predictor = predictor;
    this.#work = work;
  }

  async predict(request: PredictRequest, signal: AbortSignal): Promise<PredictOutcome> {
    const cut = new AbortController();
    let admission: Admission;
    try {
      admission = this.#work.add((reason: TroupeError) => cut.abort(reason));
    } catch (refused) {
      return { kind: "failed", failure: failureOf(refused) };
    }
    try {
      return await this.#predictor.predict(request, AbortSignal.any([signal, cut.signal]));
    } finally {
      admission.finish();
    }
  }
}
