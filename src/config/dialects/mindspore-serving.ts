/** Configuration of MindSpore Serving's LLM server: YAML with model_path, model_config, serving_config and more. */
import { dirname } from "node:path";
import { parse } from "../../core/schema.ts";
import type { PartialConfig } from "../load-config.ts";
import type { ConfigDialect, DialectSource } from "./config-dialect.ts";
import { invalidKey } from "./dialect-errors.ts";
import { type NamedModel, readGraphFiles } from "./graph-files.ts";
import { DEFAULT_PAGES, type ServingFile, servingFileSchema } from "./mindspore-serving-keys.ts";

/** The prompt forms that its server put around the prompts of these models. */
const PROMPT_FORMS = [
  ["internlm_7b", "<s><s><|User|>:{}<eoh>\n<|Bot|>:"],
  ["baichuan2pa", "<reserved_106>{}<reserved_107>"],
] as const;

/** Keys that name something of the Ascend platform, or that the files of the model say already. */
const NEVER_ACTS = [
  "model_path.prefill_ini",
  "model_path.decode_ini",
  "model_path.post_model_ini",
  "model_config.model_type",
  "model_config.seq_type",
  "model_config.decode_batch_waiting_time",
  "model_config.current_index",
  "model_config.page_attention",
  "model_config.model_dtype",
  "model_config.backend",
  "model_config.model_cfg_path",
  "serving_config.agent_ip",
  "serving_config.start_device_id",
  "serving_config.decode_batch_waiting_time",
  "tokenizer.type",
];

/** Keys that a model from a folder has no use for: its compiled form has no buckets, and its files name the tokens. */
const OF_GRAPHS = [
  "model_path.argmax_model",
  "model_path.topk_model",
  "model_config.end_token",
  "model_config.vocab_size",
  "model_config.pad_token_id",
  "model_config.zactivate_len",
  "tokenizer.vocab_file",
  "serving_config.enable_host_post_sampling",
  "basic_inputs.type",
  "extra_inputs.type",
  "warmup_inputs.type",
];

/** @see ConfigDialect */
export const mindsporeServing: ConfigDialect = {
  name: "MindSpore Serving",
  recognises: (file) => "model_path" in file || "serving_config" in file || "model_config" in file,
  translate(value, source) {
    const file = parse(servingFileSchema(), value, { code: "invalid_config", what: source.shownAs });
    const { prefill_model, decode_model = [] } = file.model_path;
    const keys = { prefill: "model_path.prefill_model", decode: "model_path.decode_model" };
    const model = readGraphFiles(prefill_model, decode_model, keys, source);
    checkPorts(file, source);
    const isPaged = file.model_config.page_attention === true;
    const unused = [
      ...NEVER_ACTS,
      ...(model.kind === "folder" ? OF_GRAPHS : []),
      ...(isPaged ? [] : Object.keys(DEFAULT_PAGES).map((key) => `pa_config.${key}`)),
    ];
    return {
      sections: {
        model: modelSection(file, model, source),
        ...(model.kind === "graphs" && { graphs: graphsSection(file, model) }),
        engine: engineSection(file, model, source),
        server: serverSection(file),
      },
      noEffect: unused.filter((path) => isSet(value, path)),
    };
  },
};

function modelSection({ model_config, tokenizer }: ServingFile, model: NamedModel, source: DialectSource) {
  // As its client and its samples call every model.
  const servedNames = [...new Set([model_config.model_name, "llama2", "internlm"])];
  if (model.kind === "folder") return { path: model.path, servedNames };
  const vocabulary = tokenizer?.vocab_file;
  if (vocabulary === undefined)
    throw invalidKey(
      source,
      "tokenizer.vocab_file",
      "is needed: name the tokenizer's file, or the folder it lies in",
    );
  return { path: /\.\w+$/.test(vocabulary) ? dirname(vocabulary) : vocabulary, servedNames };
}

function graphsSection(
  { model_path, model_config, serving_config, ...builders }: ServingFile,
  { prefill, decode }: Extract<NamedModel, { kind: "graphs" }>,
): PartialConfig["graphs"] {
  const onHost = serving_config.enable_host_post_sampling === true;
  return {
    prefill,
    decode,
    argmax: onHost ? null : (model_path.argmax_model ?? null),
    topk: onHost ? null : (model_path.topk_model ?? null),
    seqLengths: model_config.seq_length ?? [],
    prefillBatchSizes: model_config.prefill_batch_size ?? [],
    decodeBatchSizes: model_config.decode_batch_size,
    actLengths: model_config.zactivate_len ?? [],
    padTokenId: model_config.pad_token_id ?? 0,
    vocabSize: model_config.vocab_size,
    eosTokenIds: [model_config.end_token],
    ...(builders.basic_inputs && { basicInputs: builders.basic_inputs.type }),
    extraInputs: builders.extra_inputs?.type ?? null,
    warmupInputs: builders.warmup_inputs?.type ?? null,
  };
}

function engineSection(
  { model_config, pa_config, serving_config }: ServingFile,
  model: NamedModel,
  source: DialectSource,
): PartialConfig["engine"] {
  const maxNumSeqs = model_config.decode_batch_size.at(-1)!;
  const longestPrompt = model_config.seq_length?.at(-1);
  const waiting = model_config.batch_waiting_time ?? serving_config.prefill_batch_waiting_time ?? 0;
  const pages = model_config.page_attention === true ? (pa_config ?? DEFAULT_PAGES) : null;
  if (pages !== null) checkPageSize(pages.block_size, source);
  const longest = Math.min(
    model_config.max_generate_length,
    pages?.decode_seq_length ?? Number.POSITIVE_INFINITY,
  );
  return {
    maxModelLen: longest,
    ...(longestPrompt !== undefined && { maxPromptTokens: Math.min(longestPrompt, longest - 1) }),
    maxNumSeqs,
    maxNumBatchedTokens: Math.max(256, maxNumSeqs),
    policy: model_config.batching_strategy ?? "continuous",
    ...(model_config.prefill_batch_size && { maxPrefillSeqs: model_config.prefill_batch_size[0]! }),
    prefillDelayMs: waiting * 1000,
    ...(model.kind === "folder" && { tensorParallel: model.numRanks }),
    // Its block 0 took what nobody reads; no such page is needed here.
    ...(pages && { pageSize: pages.block_size, numPages: pages.num_blocks - 1 }),
  };
}

function serverSection({ model_config, serving_config }: ServingFile): PartialConfig["server"] {
  const { server_ip = "localhost", server_port } = serving_config;
  const form = PROMPT_FORMS.find(([prefix]) => model_config.model_name.startsWith(prefix));
  return {
    host: server_ip === "localhost" ? "127.0.0.1" : server_ip,
    port: server_port,
    mindsporeReplies: "r2.1",
    mindsporePromptForm: form?.[1] ?? null,
  };
}

/** One agent process served each rank; here ranks are threads, which need no port. */
function checkPorts({ model_path, serving_config }: ServingFile, source: DialectSource): void {
  const [numPorts, numRanks] = [serving_config.agent_ports.length, model_path.prefill_model.length];
  if (numPorts === numRanks) return;
  throw invalidKey(
    source,
    "serving_config.agent_ports",
    `names ${numPorts}, but model_path.prefill_model ${numRanks}; both need one for each rank`,
  );
}

function checkPageSize(size: number, source: DialectSource): void {
  if (size >= 8 && size <= 256 && (size & (size - 1)) === 0) return;
  throw invalidKey(source, "pa_config.block_size", `is ${size}; it must be a power of two from 8 to 256`);
}

function isSet(file: Readonly<Record<string, unknown>>, path: string): boolean {
  const [section, key] = path.split(".") as [string, string];
  const keys = file[section];
  return typeof keys === "object" && keys !== null && key in keys;
}
