/** What bench/engine.ts finds out, and how it is printed. */
import type { KvDtype } from "../src/kv/forms/kv-form.ts";
import type { Precision } from "../src/model/compiled-model.ts";
import type { Stretch } from "./engine-load.ts";
import { pointName } from "./engine-points.ts";
import type { MachineLimits } from "./machine-limits.ts";
import { rounded } from "./report.ts";

/** One measured point of decoding. */
export interface DecodeResult extends Stretch {
  readonly kind: "decode";
  /** Settings that are not as usual; only results without any go into docs/performance.md. */
  readonly variant: string;
  readonly precision: Precision;
  readonly kvDtype: KvDtype;
  readonly numLayers: number;
  readonly numStreams: number;
  /** Of the prompts. */
  readonly contextLen: number;
  /** While it was measured: streams grow. */
  readonly meanContext: number;
  readonly tokensPerSecond: number;
  /** Part of the step's time that reading its weights, keys and values takes at best. */
  readonly rooflineShare: number;
  /** Part of the time outside of ONNX Runtime's runs and of waiting for other ranks. */
  readonly outsideShare: number;
  /** Time of a step in the bare loop over that in the engine; null when it was not measured. */
  readonly bareRatio: number | null;
  readonly limits: MachineLimits;
}

/** One measured point of computing a prompt. */
export interface PrefillResult {
  readonly kind: "prefill";
  /** As in {@link DecodeResult}. */
  readonly variant: string;
  readonly precision: Precision;
  readonly numLayers: number;
  readonly promptLen: number;
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
  /** Of the measured peak of 8-bit products. */
  readonly peakShare: number;
  /** As in a {@link Stretch}. */
  readonly coresOfOthers: number;
  readonly limits: MachineLimits;
}

const percent = (share: number): number => rounded(100 * share);

export function printResults(results: readonly (DecodeResult | PrefillResult)[]): void {
  const prefills = results.filter((result) => result.kind === "prefill");
  if (prefills.length > 0) console.table(prefills.map(prefillRow));
  const decodes = results.filter((result) => result.kind === "decode");
  if (decodes.length > 0) console.table(decodes.map(decodeRow));
}

/** Names a result in a file of results. */
export function resultName(result: DecodeResult | PrefillResult): string {
  const point = result.kind === "prefill" ? `p${result.promptLen}` : pointName(result);
  return `${result.precision} ${point}${result.variant === "" ? "" : `, ${result.variant}`}`;
}

function prefillRow(result: PrefillResult) {
  const { precision, promptLen, tokensPerSecond, firstTokenMs, peakShare, coresOfOthers } = result;
  return {
    precision,
    prompt: promptLen,
    "tokens/s": rounded(tokensPerSecond),
    "first token ms": rounded(firstTokenMs),
    "% of int8 peak": percent(peakShare),
    "cores of others": rounded(coresOfOthers),
  };
}

function decodeRow(result: DecodeResult) {
  const { precision, tokensPerSecond, p50StepMs, partsMs, rooflineShare, outsideShare, bareRatio } = result;
  const { coresOfOthers } = result;
  return {
    precision,
    "streams x context": pointName(result),
    "tokens/s": rounded(tokensPerSecond),
    "step ms": rounded(p50StepMs),
    "% of roofline": percent(rooflineShare),
    "bare loop": bareRatio === null ? null : rounded(bareRatio),
    "% outside run": percent(outsideShare),
    "cores of others": rounded(coresOfOthers),
    ...Object.fromEntries(Object.entries(partsMs).map(([part, ms]) => [`${part} ms`, rounded(ms)])),
  };
}
