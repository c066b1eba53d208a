/** The runs of a warm-up: every size that the graphs were made for, on zeros, so that what does not fit is found at the start. */
import type { GraphModel } from "../../model/graphs/graph-model.ts";
import type { GraphRun } from "./graph-plan.ts";

const NO_PAGES = new Int32Array(0);

/**
 * Nothing of a past is read: all rows begin anew, in a past of zeros.
 *
 * @param maxTokens the longest prompt that one step can bring
 */
export function graphWarmUpRuns(model: GraphModel, maxTokens: number): GraphRun[] {
  const { buckets, prefill, decode } = model;
  const { seqLengths, actLengths, prefillBatchSizes, decodeBatchSizes } = buckets;
  const prompts = seqLengths.length === 0 ? [maxTokens] : [seqLengths[0]!, seqLengths.at(-1)!];
  const runs = [...new Set(prompts)].map((numTokens) =>
    runOf("prefill", prefillBatchSizes.at(-1) ?? 1, numTokens, prefill.fixed.past ?? 0),
  );
  if (decode.past === null) return runs;
  for (const past of actLengths.length === 0 ? [2] : actLengths)
    runs.push(runOf("decode", decodeBatchSizes.at(-1) ?? 1, 1, past));
  return runs;
}

function runOf(phase: GraphRun["phase"], batchSize: number, numTokens: number, pastLength: number): GraphRun {
  const unit = {
    phase,
    tokenIds: new Int32Array(numTokens),
    contextLen: 0,
    blockTable: NO_PAGES,
    // Its logits are looked at and thrown away.
    wanted: [numTokens - 1, 0],
  };
  return { phase, units: [unit], batchSize, numTokens, pastLength };
}
