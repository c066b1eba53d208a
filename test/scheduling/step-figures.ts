/** Figures of steps for tests: zeros, but for what is given. */
import {
  createStepTimes,
  readStepTotals,
  type StepFigures,
  type StepTime,
} from "../../src/scheduling/step-times.ts";

export function stepFigures(given: Partial<StepFigures> = {}): StepFigures {
  return { ...readStepTotals(createStepTimes()), ...given };
}

export function stepTime({
  step,
  engine = 0,
  ...given
}: Partial<StepTime> & { readonly step: number }): StepTime {
  return { engine, step, ...stepFigures(given) };
}
