/** What MindSpore Serving's LLM server tells about itself under `/serving/...`. */
import type { ModelInfo } from "../engine.ts";

/** The model, its limits and what it runs on; what the old server mixed up has its true value. */
export function servedModelInfo(info: ModelInfo, version: string): object {
  const { names, maxModelLen, maxNumSeqs, deviceKind, precision } = info;
  return {
    docker_label: null,
    max_batch_total_tokens: maxModelLen * maxNumSeqs,
    max_concurrent_requests: maxNumSeqs,
    max_input_length: maxModelLen - 1,
    max_total_tokens: maxModelLen,
    model_device_type: deviceKind.toUpperCase(),
    model_dtype: precision,
    model_id: names[0],
    model_pipeline_tag: "text-generation",
    version,
  };
}
