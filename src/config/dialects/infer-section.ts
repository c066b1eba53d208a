/** The section `infer` of MindFormers' YAML files: graphs for MindSpore Lite's inference. */
import { z } from "../../core/schema.ts";

/** Its keys; what is absent takes InferConfig's default. */
export const inferSection = z.strictObject({
  prefill_model_path: z.string().default(""),
  increment_model_path: z.string().default(""),
  infer_seq_length: z.int().min(2).optional(),
  model_type: z.string().optional(),
  model_name: z.string().min(1).optional(),
  target: z.string().optional(),
  device_id: z.int().optional(),
  rank_id: z.int().optional(),
  ge_config_path: z.string().optional(),
  dynamic: z.boolean().optional(),
});
