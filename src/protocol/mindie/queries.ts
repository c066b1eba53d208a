/** What MindIE's queries tell about the server, its model and its load. */
import type { EngineStatus, ModelInfo } from "../engine.ts";

/** Shown as the name of the system, where tools look for it. */
const SERVER_NAME = "MindIE Server";

/** `GET /info`, of Text Generation Inference. */
export function serverInfo(
  { names, limits, maxNumSeqs, maxModelLen, deviceKind, precision }: ModelInfo,
  version: string,
): object {
  return {
    docker_label: null,
    max_batch_total_tokens: limits.maxPrefillTokens ?? limits.maxNumBatchedTokens,
    max_best_of: 1,
    max_concurrent_requests: maxNumSeqs,
    max_stop_sequences: null,
    max_waiting_tokens: null,
    sha: null,
    validation_workers: null,
    version,
    waiting_served_ratio: null,
    models: [
      {
        model_device_type: deviceKind,
        model_dtype: precision,
        model_id: names[0],
        model_pipeline_tag: "text-generation",
        model_sha: null,
        max_total_tokens: maxModelLen,
      },
    ],
    max_input_length: maxInputTokens({ limits, maxModelLen }),
  };
}

/** `GET /v2`, of Triton. */
export function serverMetadata({ limits, maxModelLen, maxNumSeqs }: ModelInfo, version: string): object {
  return {
    name: SERVER_NAME,
    version,
    extensions: {
      max_iter_times: limits.maxAnswerTokens ?? maxModelLen,
      prefill_policy_type: 0,
      decode_policy_type: 0,
      max_prefill_batch_size: limits.maxPrefillSeqs ?? maxNumSeqs,
      max_prefill_tokens: limits.maxPrefillTokens ?? limits.maxNumBatchedTokens,
    },
  };
}

/** `GET /v2/models/:name`. */
export function modelMetadata(name: string): object {
  const tensor = (tensorName: string): object => ({ name: tensorName, shape: [-1], datatype: "UINT32" });
  return { name, platform: SERVER_NAME, inputs: [tensor("input0")], outputs: [tensor("output0")] };
}

/** `GET /v2/models/:name/config`. Memory is what the machine has: -1 and 0, as MindIE writes it. */
export function modelConfig(name: string, { limits, maxModelLen }: ModelInfo): object {
  return {
    model_name: name,
    input_datatype: "UINT32",
    output_datatype: "UINT32",
    max_seq_len: maxModelLen,
    npu_mem_size: -1,
    cpu_mem_size: 0,
    world_size: limits.numRanks,
    model_weight_path: name,
    model_instance_type: "Standard",
  };
}

/** `GET /v1/config`. */
export function serviceConfig({ names, limits, maxModelLen, kvCache }: ModelInfo): object {
  return {
    modelName: names[0],
    maxSeqLen: maxModelLen,
    npuMemSize: -1,
    cpuMemSize: 0,
    worldSize: limits.numRanks,
    maxOutputLen: limits.maxAnswerTokens ?? maxModelLen,
    cacheBlockSize: kvCache.pageSize,
  };
}

/** `GET /v2/models/:name/getSlotCount`. */
export function slotCount(info: ModelInfo, status: EngineStatus): object {
  return {
    total_slots: info.maxNumSeqs,
    free_slots: freeSlots(info, status),
    available_tokens_length: status.numFreePages * info.kvCache.pageSize,
  };
}

/** `GET /v1/status`, and with `isSecond` `/v2/status`. Prefill and decode are never apart here. */
export function serviceStatus(info: ModelInfo, status: EngineStatus, isSecond: boolean): object {
  const slots = freeSlots(info, status);
  const blocks = status.numFreePages;
  return {
    service: { roleStatus: "RoleReady", currentRole: "none" },
    resource: {
      availSlotsNum: slots,
      availBlockNum: blocks,
      waitingRequestNum: status.numWaiting,
      runningRequestNum: status.numRunning,
      swappedRequestNum: 0,
      freeNpuBlockNums: blocks,
      freeCpuBlockNums: 0,
      totalNpuBlockNums: status.numPages,
      totalCpuBlockNums: 0,
      ...(isSecond && {
        totalAvailNpuSlotsNum: slots,
        totalAvailNpuBlockNum: blocks,
        maxAvailNpuBlockNum: blocks,
      }),
    },
    linkStatus: { peers: [] },
  };
}

/** What `/metrics-json` is made of. */
export interface LoadFigures {
  /** Means over the last requests. */
  readonly firstTokenMs: number;
  readonly betweenTokensMs: number;
  readonly status: EngineStatus;
  /** Of the listener that was asked, as `127.0.0.2:1026`. */
  readonly instance: string;
}

/** `GET /metrics-json`. */
export function loadMetrics({ firstTokenMs, betweenTokensMs, status, instance }: LoadFigures): object {
  const metric = (name: string, value: number): object => ({
    metric: [{ __name__: name, job: "node", instance }],
    value: String(Math.round(value)),
  });
  return {
    resultType: "vector",
    result: [
      metric("TTFT", firstTokenMs),
      metric("TBT", betweenTokensMs),
      metric("waitingInferRequestNum", status.numWaiting),
      metric("processingInferRequestNum", status.numRunning),
      metric("remainBlocks", status.numFreePages),
    ],
  };
}

function maxInputTokens({ limits, maxModelLen }: Pick<ModelInfo, "limits" | "maxModelLen">): number {
  return Math.min(limits.maxPromptTokens ?? maxModelLen, maxModelLen - 1);
}

function freeSlots({ maxNumSeqs }: ModelInfo, { numRunning }: EngineStatus): number {
  return Math.max(0, maxNumSeqs - numRunning);
}
