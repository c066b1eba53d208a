/**
 * MindFormers' YAML files as far as inference goes: the section `infer` of MindSpore Lite's inference, and llm_boost's
 * `load_checkpoint` with its `model.model_config`. The sections for training are known, and named as having no effect.
 */
import { dirname } from "node:path";
import { parse, z } from "../../core/schema.ts";
import type { PartialConfig } from "../load-config.ts";
import type { ConfigDialect, DialectSource, FileSections } from "./config-dialect.ts";
import { invalidKey } from "./dialect-errors.ts";
import { readGraphFiles } from "./graph-files.ts";
import { inferSection } from "./infer-section.ts";

const count = z.int().min(1);

/** Top-level keys of MindFormers that inference has no use for. */
const UNUSED = [
  "seed",
  "output_dir",
  "run_mode",
  "resume_training",
  "auto_trans_ckpt",
  "only_save_strategy",
  "src_strategy_path_or_dir",
  "runner_config",
  "optimizer",
  "lr_schedule",
  "train_dataset",
  "train_dataset_task",
  "eval_dataset",
  "eval_dataset_task",
  "parallel",
  "micro_batch_interleave_num",
  "recompute_config",
  "callbacks",
  "eval_callbacks",
  "runner_wrapper",
  "profile",
  "context",
  "metric",
  "remote_save_url",
  "auto_tune",
  "filepath_prefix",
  "autotune_per_step",
  "layer_scale",
  "layer_decay",
  "lr_scale_factor",
] as const;

/** Keys of `model.model_config` that act; the others describe what the checkpoint's own config.json says. */
const MODEL_KEYS = ["seq_length", "max_decode_length", "batch_size", "block_size", "num_blocks"] as const;

function fileSchema() {
  return z.strictObject({
    ...Object.fromEntries(UNUSED.map((key) => [key, z.unknown().optional()])),
    infer: inferSection.optional(),
    load_checkpoint: z.string().optional(),
    use_parallel: z.boolean().optional(),
    parallel_config: z
      .looseObject({
        model_parallel: count.optional(),
        pipeline_stage: count.optional(),
        data_parallel: count.optional(),
      })
      .optional(),
    trainer: z.looseObject({ model_name: z.string().optional() }).optional(),
    model: z
      .looseObject({
        model_config: z
          .looseObject({
            seq_length: z.int().min(2).optional(),
            max_decode_length: z.int().min(2).optional(),
            batch_size: count.optional(),
            block_size: count.optional(),
            num_blocks: z.int().min(2).optional(),
          })
          .optional(),
      })
      .optional(),
    processor: z
      .looseObject({ tokenizer: z.looseObject({ vocab_file: z.string().nullish() }).optional() })
      .optional(),
  });
}

type MindformersFile = z.infer<ReturnType<typeof fileSchema>>;

/** @see ConfigDialect */
export const mindformers: ConfigDialect = {
  name: "MindFormers",
  recognises: (file) => "infer" in file || "load_checkpoint" in file || "trainer" in file,
  translate(value, source) {
    const file = parse(fileSchema(), value, { code: "invalid_config", what: source.shownAs });
    const isInfer = file.infer !== undefined && file.infer.prefill_model_path !== "";
    return {
      sections: isInfer ? inferSections(file, source) : checkpointSections(file, source),
      noEffect: unusedKeys(value, isInfer),
    };
  },
};

function inferSections({ infer, trainer, processor }: MindformersFile, source: DialectSource): PartialConfig {
  const { prefill_model_path, increment_model_path, infer_seq_length = 1024, model_name, dynamic } = infer!;
  const keys = { prefill: "infer.prefill_model_path", decode: "infer.increment_model_path" };
  const decode = increment_model_path === "" ? [] : [increment_model_path];
  const model = readGraphFiles([prefill_model_path], decode, keys, source);
  const name = model_name ?? trainer?.model_name ?? "common";
  const engine = { maxModelLen: infer_seq_length };
  if (model.kind === "folder") return { model: { path: model.path, servedNames: [name] }, engine };
  const vocabulary = processor?.tokenizer?.vocab_file ?? null;
  return {
    model: {
      path: vocabulary === null ? dirname(prefill_model_path) : folderOf(vocabulary),
      servedNames: [name],
    },
    graphs: {
      prefill: model.prefill,
      decode: model.decode,
      seqLengths: dynamic === true ? [] : [infer_seq_length],
      basicInputs: name,
    },
    engine,
  };
}

function checkpointSections(file: MindformersFile, source: DialectSource): PartialConfig {
  const { load_checkpoint: path = "", use_parallel, parallel_config, trainer } = file;
  if (path === "" || /\.(ckpt|mindir)$/.test(path)) {
    const what = path === "" ? "is missing" : `names "${path}", a file that only MindSpore reads`;
    throw invalidKey(
      source,
      "load_checkpoint",
      `${what}; name the folder of the Hugging Face checkpoint, or one that \`troupe convert\` or \`troupe split\` has written`,
    );
  }
  if ((parallel_config?.pipeline_stage ?? 1) !== 1)
    throw invalidKey(
      source,
      "parallel_config.pipeline_stage",
      "must be 1: pipeline parallel ranks are not there; use model_parallel",
    );
  const { seq_length, max_decode_length, batch_size, block_size, num_blocks } =
    file.model?.model_config ?? {};
  const name = trainer?.model_name;
  return {
    model: { path, ...(name !== undefined && { servedNames: [name] }) },
    engine: {
      ...(seq_length !== undefined && { maxModelLen: seq_length }),
      ...(max_decode_length !== undefined && {
        maxModelLen: Math.min(max_decode_length, seq_length ?? max_decode_length),
      }),
      ...(batch_size !== undefined && {
        maxNumSeqs: batch_size,
        maxNumBatchedTokens: Math.max(256, batch_size),
      }),
      ...(block_size !== undefined && { pageSize: block_size }),
      ...(num_blocks !== undefined && { numPages: num_blocks }),
      ...(use_parallel === true && { tensorParallel: parallel_config?.model_parallel ?? 1 }),
      ...(use_parallel === true && { dataParallel: parallel_config?.data_parallel ?? 1 }),
    },
  };
}

function folderOf(file: string): string {
  return /\.\w+$/.test(file) ? dirname(file) : file;
}

/** Every key that is set and that nothing above reads. */
function unusedKeys(file: FileSections, isInfer: boolean): string[] {
  const acting = isInfer
    ? [
        "infer.prefill_model_path",
        "infer.increment_model_path",
        "infer.infer_seq_length",
        "infer.model_name",
        "infer.dynamic",
        "trainer.model_name",
        "processor.tokenizer.vocab_file",
      ]
    : [
        "load_checkpoint",
        "use_parallel",
        "trainer.model_name",
        "parallel_config.model_parallel",
        "parallel_config.data_parallel",
        "parallel_config.pipeline_stage",
        ...MODEL_KEYS.map((key) => `model.model_config.${key}`),
      ];
  return leavesOf(file, acting);
}

/** Dotted paths; a section of which no key acts is named as a whole. */
function leavesOf(section: FileSections, acting: readonly string[], prefix = ""): string[] {
  return Object.entries(section).flatMap(([key, value]) => {
    const path = `${prefix}${key}`;
    if (acting.includes(path)) return [];
    const actsInside = acting.some((other) => other.startsWith(`${path}.`));
    return actsInside && typeof value === "object" && value !== null && !Array.isArray(value)
      ? leavesOf(value as FileSections, acting, `${path}.`)
      : [path];
  });
}
