/** Keys of a configuration of MindSpore Serving's LLM server. */
import { z } from "../../core/schema.ts";

/** Its defaults with page_attention and no pa_config. */
export const DEFAULT_PAGES = { num_blocks: 224, block_size: 128, decode_seq_length: 4096 };

const name = z.string().min(1);
const files = z.array(name).min(1);
const count = z.int().min(1);
const seconds = z.number().min(0).max(60);
const buckets = z
  .array(count)
  .refine((sizes) => sizes.every((size, i) => i === 0 || sizes[i - 1]! < size), "must ascend");
const builder = z.strictObject({ type: name });

/** The keys with their types and ranges. */
export function servingFileSchema() {
  return z.strictObject({
    model_path: z.strictObject({
      prefill_model: files,
      decode_model: files.optional(),
      argmax_model: name.optional(),
      topk_model: name.optional(),
      prefill_ini: z.array(name).optional(),
      decode_ini: z.array(name).optional(),
      post_model_ini: name.optional(),
    }),
    model_config: z.strictObject({
      model_name: name,
      max_generate_length: z.int().min(2),
      end_token: z.int().min(0),
      vocab_size: count,
      pad_token_id: z.int().min(0).optional(),
      seq_length: buckets.optional(),
      prefill_batch_size: buckets.min(1).optional(),
      decode_batch_size: buckets.min(1),
      zactivate_len: buckets.optional(),
      model_type: z.enum(["dyn", "static"]).optional(),
      seq_type: z.enum(["dyn", "static"]).optional(),
      batch_waiting_time: seconds.optional(),
      decode_batch_waiting_time: seconds.optional(),
      batching_strategy: z.enum(["continuous", "static"]).optional(),
      current_index: z.boolean().optional(),
      page_attention: z.boolean().optional(),
      model_dtype: z.string().optional(),
      backend: z.enum(["ge", "kbk"]).optional(),
      model_cfg_path: z.string().optional(),
    }),
    pa_config: z
      .strictObject({
        num_blocks: z.int().min(2).default(DEFAULT_PAGES.num_blocks),
        block_size: count.default(DEFAULT_PAGES.block_size),
        decode_seq_length: count.default(DEFAULT_PAGES.decode_seq_length),
      })
      .nullish(),
    serving_config: z.strictObject({
      agent_ports: z.array(z.int().min(1).max(65_535)).min(1),
      agent_ip: z.string().optional(),
      start_device_id: z.int().min(0).optional(),
      server_ip: name.optional(),
      server_port: z.int().min(0).max(65_535),
      enable_host_post_sampling: z.boolean().optional(),
      prefill_batch_waiting_time: seconds.optional(),
      decode_batch_waiting_time: seconds.optional(),
    }),
    tokenizer: z.strictObject({ type: name, vocab_file: name.optional() }).optional(),
    basic_inputs: builder.optional(),
    extra_inputs: builder.optional(),
    warmup_inputs: builder.optional(),
  });
}

/** A checked file. */
export type ServingFile = z.infer<ReturnType<typeof servingFileSchema>>;
